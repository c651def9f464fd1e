"""Rows of OpenAI's batch files: which request a url means, and where its body holds what is sent."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from brimline.data.rows import RowError
from brimline.types import Operation


class Form(NamedTuple):
    """What a url of a batch file means.

    Attributes:
        operation: What is asked for.
        endpoint: Who answers where no model reference is given.
        member: What the body calls its prompt.
        members: All that the body has beside parameters.
    """

    operation: Operation
    endpoint: str
    member: str
    members: frozenset[str]


_CHAT = "/v1/chat/completions"
FORMS = {
    _CHAT: Form(Operation.CHAT, "openai", "messages", frozenset({"model", "messages"})),
    "/v1/responses": Form(
        Operation.CHAT, "openai-responses", "input", frozenset({"model", "input", "instructions"})
    ),
    "/v1/completions": Form(Operation.COMPLETION, "openai", "prompt", frozenset({"model", "prompt"})),
    "/v1/embeddings": Form(Operation.EMBEDDING, "openai", "input", frozenset({"model", "input"})),
}
"""What may stand in a batch file."""


def is_batch_row(columns: Mapping[str, Any]) -> bool:
    """Whether a row is one of an OpenAI batch file; other rows may have a column `body` that is a text."""
    if "custom_id" not in columns or "body" not in columns:
        return False
    return isinstance(columns["body"], dict) or "url" in columns


def form_of(columns: Mapping[str, Any]) -> Form | None:
    """Return what a row of a batch file asks for; None if it is none.

    Raises:
        RowError: It asks for what does not exist.
    """
    if not is_batch_row(columns):
        return None
    url = columns.get("url", _CHAT)
    form = FORMS.get(url) if isinstance(url, str) else None
    if form is None:
        raise RowError(f"its url {url!r} is not supported; there is {', '.join(FORMS)}")
    if columns.get("method", "POST") != "POST":
        raise RowError(f"its method {columns['method']!r} is not POST")
    if not isinstance(columns["body"], dict):
        raise RowError("its body is no object")
    return form


def missing_id(columns: Mapping[str, Any]) -> None:
    """A row of a batch file that lacks its id would be refused for lack of a model; say what it really lacks.

    Raises:
        RowError: It is such a row.
    """
    if isinstance(columns.get("body"), dict) and "url" in columns:
        raise RowError("has a url and a body as in OpenAI's batch files, but no custom_id")
