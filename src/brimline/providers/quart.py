"""prompto's own server (`prompto_quart_server`): one text in, one text out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from brimline.providers.adverts import read_adverts
from brimline.providers.faults import UNREADABLE, classify
from brimline.providers.texts import only_text
from brimline.types import (
    Advert,
    Fault,
    FaultKind,
    HttpReply,
    HttpRequest,
    Operation,
    Request,
    Response,
    Secret,
)

_encode = msgspec.json.Encoder().encode


class _Text(msgspec.Struct):
    generated_text: str


class _Generated(msgspec.Struct):
    response: list[_Text]
    model: Any = None


_decode = msgspec.json.Decoder(_Generated).decode


class Quart:
    """prompto's dialect. Parameters are sent as `options`, which today's server does not look at."""

    OPTIONS: frozenset[str] = frozenset()

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        del options

    def headers(self, key: Secret | None) -> dict[str, str]:
        """Return a credential if one is given; the server itself wants none."""
        headers = {"Content-Type": "application/json"}
        return headers if key is None else {**headers, "Authorization": f"Bearer {key.reveal()}"}

    def problem(self, request: Request) -> str | None:
        """There are only single texts."""
        if request.operation is Operation.EMBEDDING:
            return "prompto's server has no embeddings"
        if only_text(request) is None:
            return "prompto's server takes one text: no conversation, no system message, no images"
        if "tools" in request.params:
            return "prompto's server knows no tools"
        return None if request.schema is None else "prompto's server knows no schema"

    def encode(self, request: Request, responses: tuple[Response, ...]) -> HttpRequest:  # noqa: ARG002
        """Send the text."""
        body = {"text": only_text(request), "model": request.model_name, "options": request.params}
        return HttpRequest("/generate", _encode(body), {})

    def decode(self, reply: HttpReply, request: Request) -> Response | Fault:  # noqa: ARG002
        """Return the text, or why there is none."""
        if not 200 <= reply.status < 300:
            return classify(reply)
        try:
            generated = _decode(reply.body)
        except UNREADABLE as error:
            return Fault(FaultKind.BAD_REPLY, f"the reply is none: {error}", http_status=reply.status)
        if not generated.response:
            return Fault(FaultKind.BAD_REPLY, "the reply holds no text", http_status=reply.status)
        texts = [each.generated_text for each in generated.response]
        model = generated.model if isinstance(generated.model, str) else None
        return Response(text=texts[0] if len(texts) == 1 else texts, model=model, raw=reply.body)

    def adverts(self, reply: HttpReply) -> tuple[Advert, ...]:
        """Return what the headers say; the server itself says nothing, a proxy before it may."""
        return read_adverts(reply.headers)
