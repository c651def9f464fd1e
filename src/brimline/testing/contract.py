"""The promises of a provider, as tests that any provider can run, those of other packages too.

    class TestMine(ProviderContract):
        provider = Mine()

        def good(self):
            return http_reply({"answer": "Hello", "usage": {"in": 9, "out": 2}})

Under pytest that is all; elsewhere `TestMine().check()` does the same. What a dialect does not have (tools, streams) is
left out, and its tests pass at once.
"""

import copy
import json

from brimline.providers.base import StreamingProvider
from brimline.testing.dialect import (
    ANSWER,
    CALL,
    FOLLOW_UP,
    KEY,
    PROMPT,
    Dialect,
    heard,
    http_reply,
    texts_in,
)
from brimline.testing.garbage import JUNK, VALUES, damaged
from brimline.types import Advert, Fault, HttpReply, Operation, Response, Secret

__all__ = ["CALL", "ProviderContract", "http_reply"]

SECOND = 1_000_000_000
_LIMIT_HEADERS = (
    "retry-after", "retry-after-ms", "date", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests", "x-ratelimit-reset", "ratelimit", "ratelimit-policy", "x-should-retry",
    "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-reset", "x-request-id", "location",
)  # fmt: skip


class ProviderContract(Dialect):
    """Subclass it, say what the dialect looks like, and every promise is a test."""

    def test_the_credential_stands_in_the_headers_alone(self) -> None:
        """With a key it is there, in what can stand in a header; nowhere else, and not without one."""
        without, with_key = self.provider.headers(None), self.provider.headers(Secret(KEY))
        assert any(KEY in value for value in with_key.values()), "the key is in no header"
        assert not any(KEY in value for value in without.values()), "there is a key where none was given"
        assert all(name.isascii() and value.isprintable() for name, value in with_key.items()), (
            with_key.keys()
        )
        sent = self.provider.encode(self.request(), ())
        faults = [self.decode(self.refusal(status)) for status in self.kinds]
        for thing in (
            sent,
            sent.body.decode(),
            faults,
            self.provider,
            getattr(self.provider, "__dict__", {}),
        ):
            assert KEY not in repr(thing), "the key was remembered"

    def test_what_is_sent_is_json_and_the_same_every_time(self) -> None:
        """Encoding is a pure function of its arguments and leaves them as they are."""
        request = self.request(params=dict(self.params))
        before = copy.deepcopy((request.messages, dict(request.params)))
        assert self.provider.problem(request) is None, self.provider.problem(request)
        first, second = (self.provider.encode(request, ()) for _ in range(2))
        assert first == second, "it is another one the second time"
        assert (request.messages, dict(request.params)) == before, "the request was changed"
        assert first.path.startswith("/"), f"the path {first.path!r} does not begin with /"
        assert isinstance(json.loads(first.body), dict), "the body is no JSON object"
        assert PROMPT in texts_in(first.body), "the prompt is not in the body"
        assert request.model_name in first.path or request.model_name in texts_in(first.body), (
            "no model is named"
        )

    def test_parameters_that_the_provider_sets_itself_are_refused(self) -> None:
        """They are a problem, which names them, before anything is sent."""
        for name in self.reserved:
            problem = self.provider.problem(self.request(params={name: "x"}))
            assert problem is not None, f"parameter '{name}' is taken"
            assert name in problem, f"the problem with '{name}' does not name it: {problem}"

    def test_what_cannot_be_said_is_a_problem_and_all_else_can_be_sent(self) -> None:
        """Each kind of request has a problem or a body."""
        for operation in Operation:
            request = self.request(operation=operation)
            if self.provider.problem(request) is None:
                assert isinstance(json.loads(self.provider.encode(request, ()).body), dict), operation
        schema = {"type": "object", "properties": {"favourite_colour": {"type": "string"}}}
        request = self.request(schema=schema)
        if self.provider.problem(request) is None:
            assert b"favourite_colour" in self.provider.encode(request, ()).body, (
                "a schema is taken and not sent"
            )

    def test_a_later_turn_is_sent_with_the_history(self) -> None:
        """Prompt, answer and next turn stand in their order; the next turn is not sent before its time."""
        request = self.request(follow_ups=(FOLLOW_UP,))
        if not self.has_conversations:
            assert self.provider.problem(request), "a conversation is taken though there are none"
            return
        assert self.provider.problem(request) is None, self.provider.problem(request)
        assert FOLLOW_UP not in texts_in(self.provider.encode(request, ()).body), (
            "the next turn is sent at once"
        )
        for answer in (Response(text=ANSWER), Response(text=[ANSWER, "another"])):
            said = [
                text
                for text in texts_in(self.provider.encode(request, (answer,)).body)
                if text in {PROMPT, ANSWER, FOLLOW_UP}
            ]
            assert said == [PROMPT, ANSWER, FOLLOW_UP], said

    def test_an_answer_is_read(self) -> None:
        """Text and usage as promised, the body kept byte for byte."""
        reply = self.good()
        response = self.decode(reply)
        assert isinstance(response, Response), response
        assert (response.text, response.usage) == (self.text, self.usage)
        assert response.raw == reply.body, "the body of the reply is not kept"
        self.is_sound(reply, response)

    def test_a_tool_call_has_the_canonical_form(self) -> None:
        """Its arguments are JSON text, whatever the dialect's own form."""
        reply = self.tool_call()
        if reply is None:
            return
        response = self.decode(reply)
        assert isinstance(response, Response), response
        assert response.finish_reason == "tool_calls", response.finish_reason
        (call,) = response.tool_calls
        assert isinstance(call, dict), call
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        assert (call["type"], name) == ("function", "look_up"), call
        assert isinstance(arguments, str), "the arguments are no text"
        assert json.loads(arguments) == {"a": 1}, arguments

    def test_a_refusal_is_the_right_fault(self) -> None:
        """Its kind follows from the status, its words and its wait from the reply."""
        for status, kind in self.kinds.items():
            reply = self.refusal(status)
            fault = self.decode(reply)
            assert isinstance(fault, Fault), f"{status} is taken for an answer"
            assert (fault.kind, fault.http_status) == (kind, status), fault
            assert fault.detail, f"the fault of {status} has no words"
            self.is_sound(reply, fault)
            if status == 429:
                assert fault.retry_after == 3 * SECOND, "the wait that the server names is not heard"

    def test_nothing_that_comes_back_raises(self) -> None:
        """Decoding takes any bytes with any status, and what it gives can be written down."""
        bodies = [*JUNK, *damaged(self.good().body)]
        for status in (200, 429):
            for body in bodies:
                reply = http_reply(body, status)
                self.is_sound(reply, self.decode(reply))
        for status in (100, 201, 204, 301, 400, 402, 413, 422, 499, 502, 529, 600, 999):
            for body in (*JUNK, self.good().body):
                reply = http_reply(body, status)
                self.is_sound(reply, self.decode(reply))

    def test_half_an_answer_is_none(self) -> None:
        """A body that breaks off is a fault, wherever it does."""
        body = self.good().body
        for end in range(len(body.rstrip())):
            assert isinstance(self.decode(http_reply(body[:end])), Fault), (
                f"{body[:end]!r} is taken for an answer"
            )

    def test_adverts_never_raise(self) -> None:
        """Headers that make no sense say nothing."""
        for status in (200, 429):
            for body in (self.good().body, *JUNK):
                assert isinstance(self.provider.adverts(http_reply(body, status)), tuple)
            for value in VALUES:
                headers = dict.fromkeys(_LIMIT_HEADERS, value)
                for advert in self.provider.adverts(HttpReply(status, headers, b"{}")):
                    assert isinstance(advert, Advert)
                reply = HttpReply(status, headers, self.good().body)
                self.is_sound(reply, self.decode(reply))

    def test_a_stream_is_read_the_same_wherever_it_is_cut(self) -> None:
        """In one piece, in two at every place, byte by byte: the same answer, and the deltas add up to its text."""
        events = self.stream()
        if events is None:
            assert not isinstance(self.provider, StreamingProvider), "it can stream; show a stream of it"
            return
        whole = b"".join(events)
        expected = self.read([whole])
        assert isinstance(expected[0], Response), expected[0]
        assert (expected[0].text, expected[0].usage) == (self.text, self.usage)
        assert "".join(delta.text for delta in expected[1]) == self.text
        for cut in range(1, len(whole)):
            assert heard(self.read([whole[:cut], whole[cut:]])) == heard(expected), f"cut at {cut}"
        assert heard(self.read([whole[at : at + 1] for at in range(len(whole))])) == heard(expected)

    def test_a_stream_without_its_end_is_a_fault(self) -> None:
        """Nothing is taken for an answer before the dialect's own end, and damage never raises."""
        events = self.stream()
        for count in range(len(events or ())):
            result, _ = self.read((events or ())[:count])
            assert isinstance(result, Fault), f"an answer after {count} events: {result}"
        whole = b"".join(events or ())
        for at in range(len(whole)):
            result, _ = self.read([whole[:at], b"\xff", whole[at + 1 :]])
            assert isinstance(result, Response | Fault)
        for junk in JUNK if events else ():
            self.read([junk, whole])

    def test_texts_are_embedded_in_their_order(self) -> None:
        """Each text has its vector; fewer or more of them, and what is none, are faults."""
        texts = [PROMPT, FOLLOW_UP]
        messages = tuple({"role": "user", "content": text} for text in texts)
        request = self.request(messages=messages, operation=Operation.EMBEDDING)
        reply = self.vectors(2)
        if reply is None:
            assert self.provider.problem(request), "it can embed; show vectors of it"
            return
        assert self.provider.problem(request) is None, self.provider.problem(request)
        said = [text for text in texts_in(self.provider.encode(request, ()).body) if text in texts]
        assert said == texts, said
        response = self.provider.decode(reply, request)
        assert isinstance(response, Response), response
        assert [[*vector] for vector in response.embeddings] == [[0.0, 0.5], [1.0, 0.5]], response.embeddings
        for count in (0, 1, 3):
            wrong = self.vectors(count)
            assert wrong is not None
            assert isinstance(self.provider.decode(wrong, request), Fault), f"{count} vectors for 2 texts"
        for body in (*JUNK, *damaged(reply.body)):
            self.is_sound(http_reply(body), self.provider.decode(http_reply(body), request))

    def check(self) -> None:
        """Try every promise, without pytest.

        Raises:
            AssertionError: One is not kept.
        """
        for name in dir(self):
            if name.startswith("test_"):
                getattr(self, name)()
