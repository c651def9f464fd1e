"""What Gemini's replies mean: candidates, whole or in fragments."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, read_body
from brimline.providers.event_reader import EventReader
from brimline.providers.faults import UNREADABLE, classify, clean
from brimline.providers.sse import Event
from brimline.types import Delta, Fault, FaultKind, HttpReply, Response, Usage

_FILTERED = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
})  # fmt: skip
_MALFORMED = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"})
"""Reasons that another try may not have."""
_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", **dict.fromkeys(_FILTERED, "content_filter")}

_Tokens = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
T = TypeVar("T")
_NO_USAGE = msgspec.Raw(b"null")


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: _Tokens | None = None
    tool_use_prompt_token_count: _Tokens | None = None
    candidates_token_count: _Tokens | None = None
    thoughts_token_count: _Tokens | None = None
    cached_content_token_count: _Tokens | None = None


class _Call(msgspec.Struct):
    name: Any = None
    args: msgspec.Raw = msgspec.Raw(b"{}")
    id: Any = None


class _Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: Any = False
    function_call: _Call | None = None
    thought_signature: Any = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: Any = None
    finish_message: Any = None
    logprobs_result: Any = None
    index: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: Any = None
    usage_metadata: msgspec.Raw = _NO_USAGE
    model_version: Any = None
    response_id: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode
_decode_usage = msgspec.json.Decoder(_Usage | None, strict=False).decode


def read_candidates(reply: HttpReply) -> Response | Fault:
    """Return the answer in a reply, or why there is none. Never raises, whatever the bytes are."""
    answer = read_document(reply, _decode, "answer")
    return answer if isinstance(answer, Fault) else _response(reply, answer)


class CandidateReader(EventReader):
    """Reads an answer in fragments; there is no end but that every answer has a reason to have stopped.

    Args:
        head: Status and headers of the reply.
        count: How many answers were asked for.
    """

    def __init__(self, head: HttpReply, count: int) -> None:
        super().__init__(head)
        self._count = count
        self._answer = _Answer()
        self._candidates: dict[int, _Candidate] = {}
        self._parts: dict[int, list[_Part]] = {}

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        try:
            fragment = _decode(event.data)
        except NO_BODY:
            fragment = None
        if fragment is None or fragment.error:
            self._read_again(event, deltas)
        else:
            self._take(fragment, deltas)

    def _read_again(self, event: Event, deltas: list[Delta]) -> None:
        """Read what is no good fragment: one that can be repaired, or a fault."""
        reply = HttpReply(self._head.status, self._head.headers, event.data)
        fragment = read_document(reply, _decode, "fragment")
        if isinstance(fragment, Fault):
            self._fail(fragment)
        else:
            self._take(fragment, deltas)

    def _take(self, fragment: _Answer, deltas: list[Delta]) -> None:
        answer = self._answer
        answer.model_version = fragment.model_version or answer.model_version
        answer.response_id = fragment.response_id or answer.response_id
        if fragment.usage_metadata is not _NO_USAGE:
            answer.usage_metadata = fragment.usage_metadata
        if fragment.prompt_feedback is not None:
            answer.prompt_feedback = fragment.prompt_feedback
            self.is_over = _block_reason(answer) is not None
        for place, candidate in enumerate(fragment.candidates or ()):
            index = place if candidate.index is None else candidate.index
            self._add(index, candidate, deltas)

    def _add(self, index: int, more: _Candidate, deltas: list[Delta]) -> None:
        whole = self._candidates.get(index)
        if whole is None:
            whole = self._candidates[index] = _Candidate()
            self._parts[index] = []
        said = _parts(more)
        self._parts[index] += said
        deltas += [
            Delta("", part.text, index) if part.thought else Delta(part.text, "", index)
            for part in said
            if part.text
        ]
        if more.logprobs_result is not None:
            whole.logprobs_result = _joined(whole.logprobs_result, more.logprobs_result)
        if more.finish_reason is not None:
            whole.finish_reason = more.finish_reason
            whole.finish_message = more.finish_message
            ended = sum(each.finish_reason is not None for each in self._candidates.values())
            self.is_over = ended >= max(1, self._count)

    def _whole(self, reply: HttpReply) -> Response | Fault:
        for index, candidate in self._candidates.items():
            candidate.content = _Content(self._parts[index])
        self._answer.candidates = [self._candidates[index] for index in sorted(self._candidates)]
        return _response(reply, self._answer)


def _joined(before: Any, more: Any) -> Any:
    """Each fragment has the probabilities of its own tokens, in lists."""
    if not isinstance(before, dict) or not isinstance(more, dict):
        return more
    joined = {**before, **more}
    for name, value in more.items():
        if isinstance(value, list) and isinstance(before.get(name), list):
            joined[name] = before[name] + value
    return joined


def read_document(reply: HttpReply, decode: Callable[[bytes], T], what: str) -> T | Fault:
    """Return the document in a reply, or the fault that it means instead; `what` names it for people."""
    if not 200 <= reply.status < 300:
        return classify(reply)
    try:
        answer = read_body(decode, reply.body)
    except NO_BODY as error:
        return bad_reply(reply, f"the reply is no {what}: {error}")
    return classify(reply) if getattr(answer, "error", None) else answer


def _response(reply: HttpReply, answer: _Answer) -> Response | Fault:
    candidates = answer.candidates or []
    if not candidates:
        return _nothing(reply, answer)
    texts = [_text(candidate, is_thought=False) for candidate in candidates]
    calls = [call for candidate in candidates for call in _calls(candidate)]
    reason = _word(candidates[0].finish_reason)
    if not any(texts) and not calls and (fault := _withheld(reply, candidates[0], reason)):
        return fault
    finish = _REASONS.get(reason, reason) if reason else None
    thoughts = _text(candidates[0], is_thought=True)
    probabilities = [candidate.logprobs_result for candidate in candidates]
    return Response(
        text=texts[0] if len(texts) == 1 else texts,
        finish_reason="tool_calls" if finish == "stop" and calls else finish,
        usage=usage_of(answer.usage_metadata),
        model=_word(answer.model_version),
        request_id=_word(answer.response_id),
        tool_calls=tuple(calls),
        reasoning=thoughts or None,
        logprobs=probabilities[0]
        if len(probabilities) == 1
        else probabilities
        if any(probabilities)
        else None,
        raw=reply.body,
    )


def _nothing(reply: HttpReply, answer: _Answer) -> Fault:
    reason = _block_reason(answer)
    if not reason:
        return bad_reply(reply, "the reply holds no candidates")
    message = answer.prompt_feedback.get("blockReasonMessage")
    words = f"the prompt was blocked: {message if isinstance(message, str) else reason}"
    return Fault(FaultKind.CONTENT_FILTER, words, http_status=reply.status, provider_code=reason)


def _block_reason(answer: _Answer) -> str | None:
    feedback = answer.prompt_feedback
    return _word(feedback.get("blockReason")) if isinstance(feedback, dict) else None


def _withheld(reply: HttpReply, candidate: _Candidate, reason: str | None) -> Fault | None:
    """Return the fault that a reason to stop means where nothing was answered."""
    words = candidate.finish_message if isinstance(candidate.finish_message, str) else str(reason)
    if reason in _FILTERED:
        kind, said = FaultKind.CONTENT_FILTER, f"the provider's filter withheld the answer: {words}"
    elif reason in _MALFORMED:
        kind, said = FaultKind.BAD_REPLY, f"the model wrote what the provider cannot read: {words}"
    else:
        return None
    return Fault(kind, said, http_status=reply.status, provider_code=reason)


def _parts(candidate: _Candidate) -> list[_Part]:
    return (candidate.content and candidate.content.parts) or []


def _text(candidate: _Candidate, *, is_thought: bool) -> str:
    return "".join(part.text for part in _parts(candidate) if part.text and bool(part.thought) is is_thought)


def _calls(candidate: _Candidate) -> list[object]:
    """Return calls in the canonical form; a signature that has to come back stands where Google's own has it."""
    calls: list[object] = []
    for part in _parts(candidate):
        if part.function_call is None:
            continue
        call = part.function_call
        more = {"extra_content": {"google": {"thought_signature": part.thought_signature}}}
        calls.append({
            "id": call.id or f"call_{len(calls)}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": clean(bytes(call.args).decode("utf-8", "replace")),
            },
            **(more if part.thought_signature else {}),
        })
    return calls


def usage_of(raw: msgspec.Raw) -> Usage | None:
    """Read what was used; thoughts are output beside the candidates' own."""
    try:
        usage = _decode_usage(raw)
    except UNREADABLE:
        return None
    if usage is None or (usage.prompt_token_count is None and usage.candidates_token_count is None):
        return None
    thoughts = usage.thoughts_token_count or 0
    return Usage(
        (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        (usage.candidates_token_count or 0) + thoughts,
        usage.cached_content_token_count or 0,
        0,
        thoughts,
    )


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
