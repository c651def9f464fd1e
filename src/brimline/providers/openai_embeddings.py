"""OpenAI's embeddings, and every server that speaks them: several texts in one request, a vector for each.

Vectors are asked for in base64, as the official SDK does it: a quarter of the bytes, and a fraction of the time that
reading numbers takes. A server that answers with numbers all the same is understood, too.
"""

import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from brimline.providers.bodies import NO_BODY, bad_reply, header, read_body
from brimline.providers.canonical import Unsayable
from brimline.providers.reading import members, used, word
from brimline.providers.texts import count_texts, texts
from brimline.types import Fault, HttpReply, Request, Response


class _Vector(msgspec.Struct):
    embedding: bytes | list[float]
    index: int | None = None


class _Vectors(msgspec.Struct):
    data: list[_Vector] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Vectors).decode


def asked_vectors(request: Request) -> dict[str, Any]:
    """Return what asks for the vectors of a request's texts.

    Raises:
        Unsayable: What it holds is no text, or `input` is a parameter.
    """
    if "input" in request.params:
        raise Unsayable("parameter 'input' cannot be set; brimline sets it itself")
    return {"input": texts(request), "encoding_format": "base64"}


def read_vectors(reply: HttpReply, request: Request) -> Response | Fault | None:
    """Return the vectors of a good reply in the order of the texts; None if it is a refusal all the same."""
    try:
        vectors = read_body(_decode, reply.body)
        if vectors.error:
            return None
        embeddings = _ordered(vectors.data or [], count_texts(request))
    except NO_BODY as error:
        return bad_reply(reply, f"the reply holds no embeddings: {error}")
    return Response(
        text="",
        usage=used(members(vectors.usage).get("prompt_tokens"), None),
        model=word(vectors.model),
        request_id=header(reply, "x-request-id"),
        embeddings=embeddings,
        raw=reply.body,
    )


def _ordered(vectors: list[_Vector], wanted: int) -> tuple[Sequence[float], ...]:
    """Put vectors in order.

    Raises:
        ValueError: They are not what was asked for.
    """
    if len(vectors) != wanted:
        raise ValueError(f"there are {len(vectors)} for {wanted} texts")
    if any(vector.index != place for place, vector in enumerate(vectors)):
        places = {
            place if vector.index is None else vector.index: vector for place, vector in enumerate(vectors)
        }
        if places.keys() != set(range(wanted)):
            raise ValueError("their order cannot be known")
        vectors = [places[place] for place in range(wanted)]
    return tuple(_floats(vector.embedding) for vector in vectors)


def _floats(vector: bytes | list[float]) -> Sequence[float]:
    """Return a vector's numbers; as bytes, they are 32 bits each, the lowest byte first.

    Raises:
        ValueError: It is none.
    """
    if not vector:
        raise ValueError("one is empty")
    if isinstance(vector, list):
        return vector
    numbers = array("f")
    numbers.frombytes(vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
