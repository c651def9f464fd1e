"""A request for embeddings, as all APIs have it: texts in, as many vectors out."""

from hashlib import blake2b
from typing import Annotated

import msgspec

from brimline.sim.chat import count_tokens
from brimline.sim.vectors import DIMENSIONS


class Embed(msgspec.Struct):
    """Texts to be turned into vectors; a list of token ids counts as the text that names them."""

    model: str
    inputs: list[str]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=1 << 14)] = DIMENSIONS
    counts: list[int] | None = None
    """Tokens of each input, where it came as token ids."""
    encoding: str = "float"
    """float or base64."""

    @property
    def stream(self) -> bool:
        """Vectors come all at once."""
        return False

    @property
    def limit(self) -> int:
        """Tokens of output that were asked for."""
        return 0

    @property
    def prompt(self) -> str:
        """All texts; the ledger shows where they begin."""
        return "\n".join(self.inputs)

    @property
    def key(self) -> str:
        """The digest of the texts, in hex."""
        return blake2b("\0".join(self.inputs).encode(errors="surrogatepass"), digest_size=8).hexdigest()

    @property
    def input_tokens(self) -> int:
        """All texts, counted as `count_tokens` does."""
        return sum(self.counts or map(count_tokens, self.inputs))

    @property
    def longest(self) -> int:
        """Tokens of the longest text: each has to fit the model's context by itself."""
        return max(self.counts or map(count_tokens, self.inputs), default=0)


def token_text(ids: list[int]) -> str:
    """Token ids as a text of their own."""
    return " ".join(map(str, ids))
