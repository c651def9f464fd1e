"""What follows from an answer that its request's schema does not allow: it is asked for again, once.

Asking again is a further exchange, like a turn of a conversation: the model sees its own answer, and what is wrong
with it. Later turns are sent without both.
"""

from dataclasses import replace

from brimline.types import Fault, FaultKind, Request, Response

COMPLAINT = (
    "That answer is not valid: {reason}\n\n"
    "Answer again with one JSON document that follows the schema, and nothing else: no explanation, no code fence."
)

_CUT = {
    "length": (
        FaultKind.TRUNCATED,
        "the token limit cut the answer off (a higher maximum of tokens may help)",
    ),
    "content_filter": (FaultKind.CONTENT_FILTER, "the provider's filter cut the answer off"),
}
"""Finish reasons that say why an answer is not whole; the next one would not be either."""


def hopeless(responses: tuple[Response, ...]) -> Fault | None:
    """Return why a request fails with its last response; None: it is valid, or is to be asked for again."""
    last = responses[-1]
    if last.rejection is None:
        return None
    if last.finish_reason in _CUT:
        kind, words = _CUT[last.finish_reason]
        return Fault(kind, f"{words}: {last.rejection.reason}")
    if len(responses) > 1 and responses[-2].rejection is not None:
        return Fault(FaultKind.INVALID_OUTPUT, f"not valid, also when asked again: {last.rejection.reason}")
    return None


def following(request: Request, responses: tuple[Response, ...]) -> tuple[Request, tuple[Response, ...]]:
    """Return the exchange that follows `responses` as it is sent: a request, and the responses to its turns so far."""
    if request.schema is None or not responses:
        return request, responses
    history = tuple(response for response in responses if response.rejection is None)
    last = responses[-1]
    if last.rejection is None:
        return request, history
    complaint = COMPLAINT.format(reason=last.rejection.reason)
    again = replace(request, follow_ups=(*request.follow_ups[: len(history)], complaint))
    return again, (*history, replace(last, text=last.rejection.text))
