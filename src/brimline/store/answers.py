"""What a line says of an answer: its text, or where a schema was asked for the JSON in it and how that came about."""

from typing import Any

import msgspec

from brimline.types import Outcome, Request, Response

_decode = msgspec.json.Decoder().decode


def answers(request: Request, responses: tuple[Response, ...]) -> Any:
    """Return the answer, or for a conversation a list with one for each turn: texts, or what they say in JSON."""
    if request.schema is None:
        return [response.text for response in responses] if request.turns > 1 else responses[0].text
    said = [_answer(response) for response in responses if response.rejection is None]
    return said if request.turns > 1 else said[0] if said else None


def _answer(response: Response) -> Any:
    document = response.document
    if document is None:
        return response.text
    return _decode(document) if isinstance(document, str) else [_decode(one) for one in document]


def repairs(outcome: Outcome) -> dict[str, Any]:
    """Return what was done to get what the schema asks for, and what the provider wrote; nothing if that is it."""
    texts = [response.text for response in outcome.responses]
    if not any(response.rejection or response.is_repaired for response in outcome.responses):
        return {}
    raw_text = texts if len(texts) > 1 else texts[0]
    return {"repaired": True, "raw_text": raw_text} if outcome.ok else {"raw_text": raw_text}
