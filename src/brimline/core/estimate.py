"""How many tokens an exchange will take, judged by what earlier ones took.

Token quotas are booked before the provider has counted. The input is judged by its size in bytes and a ratio
learned from the provider's own counts; the output by what the model has been producing, and never above the
`max_tokens` that the user gave. Settling replaces the estimate, so an error costs time and never the limit.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from brimline.core.permit import Demand
from brimline.types import Message, Operation, Request, Response, Usage

BYTES_PER_TOKEN = 4.0
"""Where nothing is known yet: English prose in current vocabularies."""

OUTPUT_TOKENS = 256
"""Where nothing is known yet and the user gave no maximum."""

IMAGE_TOKENS = 1000
"""An image's size in bytes says little about its tokens; a usual charge for one of full detail."""

MEMORY = 50
"""About so many exchanges are remembered."""

PRIOR = 1000
"""What is thought before anything is known weighs as much as so many tokens."""


class Size(NamedTuple):
    """What is known of an exchange before it is sent."""

    text: int
    """Bytes of text."""
    images: int
    most: int
    """The `max_tokens` that the user gave; 0: none."""
    answers: bool = True
    """Whether tokens come out of it; of an embedding none do."""

    @property
    def weight(self) -> int:
        """About how many tokens it may take, to compare requests by."""
        return self.text // 4 + self.images * IMAGE_TOKENS + self.most


def measure(request: Request, responses: Iterable[Response] = ()) -> Size:
    """Return the size of the next exchange of `request` after `responses`."""
    if request.operation is Operation.EMBEDDING:
        return Size(_embedded(request), 0, 0, answers=False)
    answered = [_size(response.text) for response in responses]
    size, images = _measure(request.messages)
    size += sum(answered) + sum(len(turn.encode()) for turn in request.follow_ups[: len(answered)])
    return Size(size, images, _max_tokens(request.params))


class Estimator:
    """What one model's exchanges take."""

    __slots__ = ("_bytes", "_output", "_tokens")

    def __init__(self) -> None:
        self._bytes = PRIOR * BYTES_PER_TOKEN
        self._tokens = float(PRIOR)
        self._output: float | None = None

    def demand(self, size: Size) -> Demand:
        """Estimate an exchange. The provider is taken to charge `max_tokens` when a request arrives."""
        most = size.most
        output = self._output if self._output is not None else min(most or OUTPUT_TOKENS, OUTPUT_TOKENS)
        if not size.answers:
            output = 0
        output_tokens = round(min(output, most) if most else output)
        input_tokens = 3 + round(size.text * self._tokens / self._bytes) + size.images * IMAGE_TOKENS
        return Demand(1, input_tokens + output_tokens, input_tokens, output_tokens, input_tokens + most)

    def learn(self, size: Size, usage: Usage) -> bool:
        """Correct the estimates by what an exchange really took; return whether they shrink."""
        ratio, output = self._tokens / self._bytes, self._output
        tokens = usage.input_tokens - 3 - size.images * IMAGE_TOKENS
        if tokens > 0 and 0.5 < size.text / tokens < 16:
            self._bytes += size.text - self._bytes / MEMORY
            self._tokens += tokens - self._tokens / MEMORY
        previous = usage.output_tokens if self._output is None else self._output
        self._output = previous + (usage.output_tokens - previous) / MEMORY
        return output is None or self._output < output or self._tokens / self._bytes < ratio


def _embedded(request: Request) -> int:
    """Return the bytes of all texts that are embedded together, each with a little on top."""
    parts = request.parts or (request,)
    return sum(8 + _size(message.get("content")) for part in parts for message in part.messages)


def _measure(messages: Iterable[Message]) -> tuple[int, int]:
    """Return bytes of text and number of images."""
    size = images = 0
    for message in messages:
        content = message.get("content")
        size += 16 + _size(content)
        if isinstance(content, list):
            images += sum(
                1 for part in content if isinstance(part, Mapping) and part.get("type") == "image_url"
            )
    return size, images


def _size(content: Any) -> int:
    """Return the bytes of text in a message's content."""
    if isinstance(content, str):
        return len(content.encode())
    if isinstance(content, list):
        return sum(_size(part.get("text") if isinstance(part, Mapping) else part) for part in content)
    return 0


def _max_tokens(params: Mapping[str, Any]) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = params.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return 0
