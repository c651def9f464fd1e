"""Gemini's embeddings: one text, many of them, and Vertex AI's older form of the same."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from brimline.sim.chat import count_tokens
from brimline.sim.checks import checked
from brimline.sim.dialect import Letterhead, Request
from brimline.sim.dialects.gemini_intake import get, read_json, refused, text_of
from brimline.sim.dialects.gemini_words import Google
from brimline.sim.embed import Embed
from brimline.sim.errors import Problem, invalid
from brimline.sim.replies import Answer
from brimline.sim.vectors import DIMENSIONS, json_vector

Method = Literal["embedContent", "batchEmbedContents", "predict"]
_MOST = {"embedContent": 1, "batchEmbedContents": 100, "predict": 250}


class GeminiEmbeddings(Google):
    """POST models/{model}:embedContent, :batchEmbedContents and, on Vertex AI, :predict."""

    def __init__(self, model: str, method: Method, key: str | None = None, *, vertex: bool = False) -> None:
        """`method` is the one in the path."""
        super().__init__(model, key, vertex=vertex)
        self._method = method

    def read(self, body: bytes) -> Request | Problem:
        """Read the texts; the size of the first one's vector is that of all."""
        table = read_json(body)
        if isinstance(table, Problem):
            return table
        try:
            texts, size = self._texts(table)
        except (LookupError, TypeError, AttributeError) as error:
            return refused(error)
        if not 0 < len(texts) <= _MOST[self._method]:
            return invalid(
                f"* BatchEmbedContentsRequest.requests: at most {_MOST[self._method]} requests can be in one batch\n"
            )
        return checked(Embed(self.model, texts, DIMENSIONS if size is None else size))

    def reply(self, _letter: Letterhead, request: Request, made: Answer) -> bytes:
        """One vector as an object, many as a list of them."""
        assert isinstance(request, Embed)
        vectors = [json_vector(text, request.dimensions) for text in made.inputs]
        if self._method == "predict":
            return b'{"predictions": [%b]}' % b",".join(_predictions(made.inputs, vectors))
        values = [b'{"values": %b}' % vector for vector in vectors]
        if self._method == "batchEmbedContents":
            return b'{"embeddings": [%b]}' % b",".join(values)
        return b'{"embedding": %b}' % values[0] if values else b"{}"

    def _texts(self, table: dict[str, Any]) -> tuple[list[str], int | None]:
        if self._method == "predict":
            texts = [str(one["content"]) for one in table["instances"]]
            return texts, get(table.get("parameters") or {}, "outputDimensionality")
        if self._method == "embedContent":
            return [text_of(table["content"])], get(table, "outputDimensionality")
        requests = table["requests"]
        return [text_of(one["content"]) for one in requests], get(requests[0], "outputDimensionality")


def _predictions(texts: Iterable[str], vectors: Iterable[bytes]) -> Iterable[bytes]:
    for text, vector in zip(texts, vectors, strict=True):
        statistics = msgspec.json.encode({"truncated": False, "token_count": count_tokens(text)})
        yield b'{"embeddings": {"values": %b, "statistics": %b}}' % (vector, statistics)
