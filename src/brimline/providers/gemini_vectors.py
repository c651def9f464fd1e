"""What Gemini's and Vertex AI's replies to texts that are embedded mean."""

from collections.abc import Sequence
from typing import Any

import msgspec

from brimline.providers.bodies import bad_reply
from brimline.providers.gemini_replies import read_document, usage_of
from brimline.types import Fault, HttpReply, Response, Usage


class _Vector(msgspec.Struct):
    values: list[float]
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Vectors(msgspec.Struct, rename="camel"):
    embeddings: list[_Vector] | None = None
    embedding: _Vector | None = None
    predictions: list[_Prediction] | None = None
    usage_metadata: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


_decode = msgspec.json.Decoder(_Vectors).decode


def read_vectors(reply: HttpReply, count: int) -> Response | Fault:
    """Return the vectors of `count` texts, or why there are none. Never raises, whatever the bytes are."""
    found = read_document(reply, _decode, "list of vectors")
    if isinstance(found, Fault):
        return found
    vectors = [prediction.embeddings for prediction in found.predictions or ()]
    vectors = vectors or found.embeddings or ([found.embedding] if found.embedding else [])
    if len(vectors) != count:
        return bad_reply(reply, f"the reply holds {len(vectors)} vectors for {count} texts")
    return Response(
        text="",
        usage=usage_of(found.usage_metadata) or _counted(vectors),
        embeddings=tuple(vector.values for vector in vectors),
        raw=reply.body,
    )


def _counted(vectors: Sequence[_Vector]) -> Usage | None:
    """Return what Vertex says of each vector, if it does of all."""
    counts = [
        vector.statistics.get("token_count") if isinstance(vector.statistics, dict) else None
        for vector in vectors
    ]
    numbers = [int(count) for count in counts if isinstance(count, int | float) and 0 <= count < 1 << 53]
    return Usage(sum(numbers)) if numbers and len(numbers) == len(counts) else None
