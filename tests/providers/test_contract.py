"""Every built-in provider keeps the promises of a provider."""

import json
from typing import ClassVar

import pytest

from brimline.providers import PROVIDERS, StreamingProvider, find_provider
from brimline.testing.contract import CALL, ProviderContract, http_reply
from brimline.types import FaultKind, Secret
from tests.providers import test_contract_natives as natives
from tests.providers.replies import completion

USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


class TestOpenAI(ProviderContract):
    provider = find_provider("openai")
    reserved: ClassVar = ("model", "messages", "stream")

    def good(self):
        return http_reply(completion("Hello", usage=USAGE), x_request_id="req_1")

    def tool_call(self):
        return http_reply(
            completion({"content": None, "tool_calls": [CALL]}, reason="tool_calls", usage=USAGE)
        )

    def stream(self):
        if not isinstance(self.provider, StreamingProvider):
            return None

        def chunk(delta, reason=None, **more):
            choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
            document = {
                "id": "c",
                "object": "chat.completion.chunk",
                "model": "m",
                "choices": choices,
                **more,
            }
            return f"data: {json.dumps(document)}\n\n".encode()

        return (
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            b": keep-alive\n\n" + chunk({"content": "lo"}),
            chunk({}, "stop"),
            chunk(None, usage=USAGE),
            b"data: [DONE]\n\n",
        )

    def vectors(self, count):
        data = [{"object": "embedding", "index": n, "embedding": [float(n), 0.5]} for n in range(count)]
        return http_reply({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 4}})


class TestAzure(TestOpenAI):
    provider = find_provider("azure-openai", {}, "https://r.openai.azure.com")


class TestAzureV1(TestOpenAI):
    provider = find_provider("azure-openai", {}, "https://r.openai.azure.com/openai/v1")

    def vectors(self, count):
        data = [{"index": n, "embedding": [float(n), 0.5]} for n in reversed(range(count))]
        return http_reply({"data": data, "usage": {"prompt_tokens": 4}})


class TestMistral(TestOpenAI):
    provider = find_provider("mistral")

    def tool_call(self):
        function = {"name": "look_up", "arguments": {"a": 1}}
        message = {"content": "", "tool_calls": [{"id": "D681PevKs", "function": function, "index": 0}]}
        return http_reply(completion(message, reason="tool_calls", usage=USAGE))


class TestTogether(TestOpenAI):
    provider = find_provider("openai", {"forbidden": "too_long"})
    kinds: ClassVar = {**ProviderContract.kinds, 403: FaultKind.TOO_LONG}


class TestQuart(ProviderContract):
    provider = find_provider("quart")
    usage = None
    reserved = ()
    has_conversations = False

    def good(self):
        return http_reply({"response": [{"generated_text": "Hello"}], "model": "gpt2"})


# The suite itself: each promise can be broken, and is then missed.


class Broken(TestOpenAI):
    """A provider whose methods can be replaced one by one."""

    def __init__(self, **methods):
        provider = type("Provider", (type(find_provider("openai")),), methods)
        self.provider = provider({})


OPENAI = find_provider("openai")


def remembering(self, key):
    self.key = key and key.reveal()
    return OPENAI.headers(key)


def counting(self, request, responses):
    self.count = getattr(self, "count", 0) + 1
    sent = OPENAI.encode(request, responses)
    return type(sent)(sent.path, sent.body.replace(b"{", b'{"count":%d,' % self.count, 1), sent.headers)


def changing(self, request, responses):
    sent = OPENAI.encode(request, responses)
    request.params.pop("temperature", None)
    return sent


def without_history(self, request, responses):
    return OPENAI.encode(request, ())


def whole_history(self, request, responses):
    sent = json.loads(OPENAI.encode(request, responses).body)
    sent["later"] = request.follow_ups
    return type(OPENAI.encode(request, ()))("/x", json.dumps(sent).encode(), {})


def trusting(self, reply, request):
    document = json.loads(reply.body)
    return OPENAI.decode(reply, request) if isinstance(document, dict) else None


def lenient(self, reply, request):
    result = OPENAI.decode(reply, request)
    return (
        OPENAI.decode(http_reply(completion("")), request)
        if reply.status == 200 and hasattr(result, "kind")
        else result
    )


def raising(self, reply):
    return OPENAI.adverts(reply) or (int(reply.headers.get("x-ratelimit-limit-requests", 0)),)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Broken(headers=remembering), "the_credential_stands_in_the_headers_alone"),
        (Broken(headers=lambda self, key: {}), "the_credential_stands_in_the_headers_alone"),
        (Broken(headers=lambda self, key: OPENAI.headers(Secret("k"))), "the_credential_stands_in_the_headers_alone"),
        (Broken(encode=counting), "what_is_sent_is_json_and_the_same_every_time"),
        (Broken(encode=changing), "what_is_sent_is_json_and_the_same_every_time"),
        (Broken(problem=lambda self, request: None), "parameters_that_the_provider_sets_itself_are_refused"),
        (Broken(encode=without_history), "a_later_turn_is_sent_with_the_history"),
        (Broken(encode=whole_history), "a_later_turn_is_sent_with_the_history"),
        (Broken(decode=trusting), "nothing_that_comes_back_raises"),
        (Broken(decode=lenient), "half_an_answer_is_none"),
        (Broken(adverts=raising), "adverts_never_raise"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_noticed(broken, promise):
    with pytest.raises((AssertionError, ValueError, KeyError, AttributeError)):
        getattr(broken, f"test_{promise}")()
    with pytest.raises((AssertionError, ValueError, KeyError, AttributeError)):
        broken.check()


def test_a_wait_that_is_not_heard_is_noticed():
    class Deaf(TestOpenAI):
        def refusal(self, status):
            return http_reply({"error": {"message": "no"}}, status)

    with pytest.raises(AssertionError, match="the wait that the server names is not heard"):
        Deaf().test_a_refusal_is_the_right_fault()


def test_every_built_in_provider_is_tried():
    contracts = (*vars(natives).values(), *globals().values())
    tried = {type(getattr(contract, "provider", None)) for contract in contracts}
    assert {name for name in PROVIDERS if type(find_provider(name)) not in tried} == set()
