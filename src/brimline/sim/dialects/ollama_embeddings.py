"""Ollama's embeddings: one text or many, and the older form of one."""

import msgspec

from brimline.sim.checks import checked
from brimline.sim.dialect import Letterhead, Request
from brimline.sim.dialects.ollama_words import OllamaServer, encode
from brimline.sim.embed import Embed
from brimline.sim.errors import NOT_JSON, Problem, invalid
from brimline.sim.replies import Answer
from brimline.sim.vectors import DIMENSIONS, json_vector


class _Body(msgspec.Struct):
    model: str
    input: str | list[str] | None = None
    prompt: str = ""
    dimensions: int | None = None


_decode = msgspec.json.Decoder(_Body).decode


class OllamaEmbeddings(OllamaServer):
    """POST /api/embed, and /api/embeddings as it was before."""

    def __init__(self, *, old: bool = False) -> None:
        """`old` has one prompt and one vector."""
        self._old = old

    def read(self, body: bytes) -> Request | Problem:
        """Read the texts."""
        try:
            asked: _Body = _decode(body)
        except msgspec.ValidationError as error:
            return invalid("model is required" if "`model`" in str(error) else str(error))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        given = asked.prompt if self._old else asked.input
        if given is None:
            return invalid("invalid input type")
        texts = [given] if isinstance(given, str) else given
        return checked(Embed(asked.model, texts, asked.dimensions or DIMENSIONS))

    def reply(self, letter: Letterhead, request: Request, made: Answer) -> bytes:
        """A list of vectors, or the one."""
        assert isinstance(request, Embed)
        vectors = [json_vector(text, request.dimensions) for text in made.inputs]
        if self._old:
            return b'{"embedding":%b}' % (vectors[0] if vectors else b"[]")
        return (
            b'{"model":%b,"embeddings":[%b],"total_duration":2000000,"load_duration":1000000,"prompt_eval_count":%d}'
            % (
                encode(letter.model),
                b",".join(vectors),
                made.usage.input_tokens,
            )
        )
