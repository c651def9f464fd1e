"""Providers with a dialect of their own keep the promises of a provider."""

import json
from typing import ClassVar

import pytest

from brimline.providers import find_provider
from brimline.testing import ProviderContract, http_reply
from brimline.types import FaultKind, Request
from tests.providers.test_bedrock import frame


def dialect(name):
    """Say whose contract it is."""

    def mark(contract):
        contract.provider = find_provider(name, contract.options)
        return contract

    return mark


def events(*documents, named=True):
    def name(document):
        return f"event: {document['type']}\n" if named else ""

    return tuple(f"{name(document)}data: {json.dumps(document)}\n\n".encode() for document in documents)


def test_a_stream_without_its_end_that_is_taken_for_an_answer_is_noticed():
    class Cut(TestAnthropic):
        def stream(self):
            return super().stream()[:-1]

    with pytest.raises(AssertionError, match="broke off"):
        Cut().test_a_stream_is_read_the_same_wherever_it_is_cut()

    class Endless(TestAnthropic):
        def stream(self):
            return (*super().stream(), b": more\n\n")

    with pytest.raises(AssertionError, match="an answer after 8 events"):
        Endless().test_a_stream_without_its_end_is_a_fault()


class Native(ProviderContract):
    options: ClassVar = {}


@dialect("openai-responses")
class TestResponses(Native):
    reserved = ("model", "input", "stream")
    usage_said: ClassVar = {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11}

    def response(self, *output, status="completed"):
        return {
            "id": "resp_1",
            "object": "response",
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": "m-2026",
            "output": list(output),
            "usage": self.usage_said,
        }

    def message(self):
        part = {"type": "output_text", "text": "Hello", "annotations": []}
        return {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }

    def good(self):
        return http_reply(self.response(self.message()), x_request_id="req_1")

    def tool_call(self):
        call = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "look_up",
            "arguments": '{"a":1}',
        }
        return http_reply(self.response({**call, "status": "completed"}))

    def stream(self):
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        return events(
            {"type": "response.created", "response": self.response(status="in_progress")},
            {"type": "response.output_text.delta", **where, "delta": "Hel"},
            {"type": "response.output_text.delta", **where, "delta": "lo"},
            {"type": "response.completed", "response": self.response(self.message())},
        )


@dialect("anthropic")
class TestAnthropic(Native):
    reserved = ("model", "messages", "stream")
    kinds: ClassVar = {**ProviderContract.kinds, 402: FaultKind.QUOTA_EXHAUSTED, 529: FaultKind.OVERLOADED}

    def message(self, *content, reason="end_turn", used=2):
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": list(content),
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": used},
        }

    def good(self):
        return http_reply(self.message({"type": "text", "text": "Hello"}), request_id="req_1")

    def refusal(self, status):
        headers = {"retry_after": "3"} if status == 429 else {}
        kinds = {
            401: "authentication_error",
            402: "billing_error",
            403: "permission_error",
            404: "not_found_error",
        }
        kinds |= {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
        error = {"type": kinds.get(status, "api_error"), "message": "It cannot be."}
        return http_reply({"type": "error", "error": error, "request_id": "req_1"}, status, **headers)

    def tool_call(self):
        call = {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"a": 1}}
        return http_reply(self.message(call, reason="tool_use"))

    def stream(self):
        def piece(text):
            return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}

        return events(
            {"type": "message_start", "message": self.message(reason=None, used=1)},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            piece("Hel"),
            piece("lo"),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        )


@dialect("gemini")
class TestGemini(Native):
    reserved = ("model", "contents")

    def candidate(self, *parts, reason="STOP"):
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
        candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
        said = {**candidate, "finishReason": reason} if reason else candidate
        return {"candidates": [said], "usageMetadata": usage, "modelVersion": "m-001", "responseId": "r1"}

    def good(self):
        return http_reply(self.candidate({"text": "Hello"}))

    def refusal(self, status):
        headers = {"retry_after": "3"} if status == 429 else {}
        return http_reply(
            {"error": {"code": status, "message": "It cannot be.", "status": "X"}}, status, **headers
        )

    def tool_call(self):
        return http_reply(self.candidate({"functionCall": {"name": "look_up", "args": {"a": 1}}}))

    def stream(self):
        first = self.candidate({"text": "Hel"}, reason=None)
        return events(first, self.candidate({"text": "lo"}), named=False)

    def vectors(self, count):
        return http_reply({"embeddings": [{"values": [float(n), 0.5]} for n in range(count)]})


@dialect("vertex")
class TestVertex(TestGemini):
    def vectors(self, count):
        values = [{"embeddings": {"values": [float(n), 0.5]}} for n in range(count)]
        return http_reply({"predictions": values})

    options: ClassVar = {"project": "p", "location": "europe-west4"}


@dialect("ollama")
class TestOllama(Native):
    reserved = ("model", "messages", "stream")
    stats: ClassVar = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 2}

    def piece(self, **message):
        return {
            "model": "llama",
            "created_at": "2026-10-21T07:28:00Z",
            "message": {"role": "assistant", **message},
        }

    def good(self):
        return http_reply({**self.piece(content="Hello"), **self.stats})

    def refusal(self, status):
        headers = {"retry_after": "3"} if status == 429 else {}
        return http_reply({"error": "It cannot be."}, status, **headers)

    def tool_call(self):
        call = {"function": {"name": "look_up", "arguments": {"a": 1}}}
        return http_reply({**self.piece(content="", tool_calls=[call]), **self.stats})

    def stream(self):
        pieces = (
            {**self.piece(content="Hel"), "done": False},
            {**self.piece(content="lo"), "done": False},
            {**self.piece(content=""), **self.stats},
        )
        return tuple(json.dumps(piece).encode() + b"\n" for piece in pieces)

    def vectors(self, count):
        return http_reply({
            "model": "m",
            "embeddings": [[float(n), 0.5] for n in range(count)],
            "prompt_eval_count": 4,
        })


@dialect("cohere")
class TestCohere(Native):
    reserved = ("model", "messages", "stream")
    used: ClassVar = {"billed_units": {"input_tokens": 9, "output_tokens": 2}}

    def message(self, reason="COMPLETE", **message):
        said = {"role": "assistant", **message}
        return {"id": "m1", "finish_reason": reason, "message": said, "usage": self.used}

    def good(self):
        return http_reply(self.message(content=[{"type": "text", "text": "Hello"}]))

    def refusal(self, status):
        headers = {"retry_after": "3"} if status == 429 else {}
        return http_reply({"id": "x", "message": "It cannot be."}, status, **headers)

    def tool_call(self):
        call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"a":1}'}}
        return http_reply(self.message("TOOL_CALL", tool_calls=[call], tool_plan="I look it up."))

    def stream(self):
        def piece(kind, **content):
            return {"type": kind, "index": 0, "delta": {"message": {"content": content}}}

        return events(
            {"type": "message-start", "id": "m1", "delta": {"message": {"role": "assistant", "content": []}}},
            piece("content-start", type="text", text=""),
            piece("content-delta", text="Hel"),
            piece("content-delta", text="lo"),
            {"type": "content-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": self.used}},
        )

    def vectors(self, count):
        return http_reply({"id": "e1", "embeddings": {"float": [[float(n), 0.5] for n in range(count)]}})


@dialect("bedrock")
class TestBedrock(Native):
    options: ClassVar = {"region": "eu-west-1"}
    reserved = ("messages",)

    def said(self, *content, reason="end_turn"):
        usage = {"inputTokens": 9, "outputTokens": 2, "totalTokens": 11}
        message = {"role": "assistant", "content": list(content)}
        return {
            "output": {"message": message},
            "stopReason": reason,
            "usage": usage,
            "metrics": {"latencyMs": 9},
        }

    def good(self):
        return http_reply(self.said({"text": "Hello"}), x_amzn_requestid="r1")

    def refusal(self, status):
        headers = {"retry_after": "3"} if status == 429 else {}
        return http_reply({"message": "It cannot be."}, status, **headers)

    def tool_call(self):
        call = {"toolUse": {"toolUseId": "t1", "name": "look_up", "input": {"a": 1}}}
        return http_reply(self.said(call, reason="tool_use"))

    def stream(self):
        return (
            frame("messageStart", {"role": "assistant"}),
            frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
            frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("messageStop", {"stopReason": "end_turn"}),
            frame("metadata", {"usage": {"inputTokens": 9, "outputTokens": 2}, "metrics": {"latencyMs": 9}}),
        )


@pytest.mark.parametrize(
    "name", ["openai", "openai-responses", "anthropic", "gemini", "ollama", "mistral", "cohere", "bedrock"]
)
def test_a_form_of_the_answer_beside_a_schema_is_refused_by_all(name):
    request = Request(
        id=1,
        model="x/m",
        messages=({"role": "user", "content": "hi"},),
        schema={"type": "object"},
        params={"response_format": {"type": "json_object"}},
    )
    assert "cannot be set beside a schema" in str(find_provider(name).problem(request))
