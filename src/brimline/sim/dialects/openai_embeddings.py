"""OpenAI's embeddings: texts or token ids in, vectors out as floats or as base64 of 32-bit floats."""

import msgspec

from brimline.sim.chat import count_tokens
from brimline.sim.dialect import Letterhead, Request
from brimline.sim.dialects.openai_intake import NO_MODEL, wrong
from brimline.sim.dialects.openai_words import OpenAI
from brimline.sim.embed import Embed, token_text
from brimline.sim.errors import NOT_JSON, Problem, invalid
from brimline.sim.replies import Answer
from brimline.sim.vectors import DIMENSIONS, base64_vector, json_vector

_MOST = 2048
_MOST_TOKENS = 300_000

_Input = str | list[str | int | list[int]]


class _Body(msgspec.Struct):
    model: str
    input: _Input
    dimensions: int | None = None
    encoding_format: str = "float"


_decode = msgspec.json.Decoder(_Body).decode


class OpenAIEmbeddings(OpenAI):
    """POST /v1/embeddings."""

    def read(self, body: bytes) -> Request | Problem:
        """Read texts or token ids, one or many."""
        try:
            asked: _Body = _decode(body)
        except msgspec.ValidationError as error:
            return wrong(str(error))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return NOT_JSON
        return _understood(asked)

    def reply(self, _letter: Letterhead, request: Request, made: Answer) -> bytes:
        """A list of embedding objects, joined by hand: a call may bring thousands of numbers."""
        assert isinstance(request, Embed)
        size = request.dimensions
        if request.encoding == "base64":
            vectors = [b'"%b"' % base64_vector(text, size).encode() for text in made.inputs]
        else:
            vectors = [json_vector(text, size) for text in made.inputs]
        rows = [
            b'{"object":"embedding","index":%d,"embedding":%b}' % (index, vector)
            for index, vector in enumerate(vectors)
        ]
        return b'{"object":"list","data":[%b],"model":%b,"usage":{"prompt_tokens":%d,"total_tokens":%d}}' % (
            b",".join(rows),
            msgspec.json.encode(request.model),
            made.usage.input_tokens,
            made.usage.input_tokens,
        )


def _understood(asked: _Body) -> Embed | Problem:
    if not asked.model:
        return NO_MODEL
    if asked.encoding_format not in {"float", "base64"}:
        return invalid(
            f"Invalid value: '{asked.encoding_format}'. Supported values are: 'float' and 'base64'.",
            "encoding_format",
            "invalid_value",
        )
    size = DIMENSIONS if asked.dimensions is None else asked.dimensions
    if not 0 < size <= 1 << 14:
        return invalid(f"Invalid value for 'dimensions' = {size}. Must be greater than 0.", "dimensions")
    items = _items(asked.input)
    inputs = [item if isinstance(item, str) else token_text(item) for item in items]
    counts = None
    if not all(isinstance(item, str) for item in items):
        counts = [count_tokens(item) if isinstance(item, str) else len(item) for item in items]
    if not 0 < len(inputs) <= _MOST or not all(inputs):
        return invalid(
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs."
        )
    made = Embed(asked.model, inputs, size, counts, asked.encoding_format)
    if made.input_tokens > _MOST_TOKENS:
        return invalid(
            f"Invalid 'input': maximum request size is {_MOST_TOKENS} tokens per request.",
            "input",
            "max_tokens_per_request",
        )
    return made


def _items(given: _Input) -> list[str | list[int]]:
    """One item for each vector: a list of numbers is one text in token ids."""
    if isinstance(given, str):
        return [given]
    if given and all(isinstance(item, int) for item in given):
        return [[item for item in given if isinstance(item, int)]]
    return [[item] if isinstance(item, int) else item for item in given]
