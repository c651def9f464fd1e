"""How many tokens an exchange will take, judged by what earlier ones took.

Token quotas are booked before the provider has counted. The input is judged by its size in bytes and a ratio
learned from the provider's own counts; the output by what the model has been producing, and never above the
`max_tokens` that the user gave. Settling replaces the estimate, so an error costs time and never the limit.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from brimline.core.limits import Demand
from brimline.types import Message, Request, Response, Usage

BYTES_PER_TOKEN = 4.0
"""Where nothing is known yet: English prose in current vocabularies."""

OUTPUT_TOKENS = 256
"""Where nothing is known yet and the user gave no maximum."""

IMAGE_TOKENS = 1000
"""An image's size in bytes says little about its tokens; a usual charge for one of full detail."""

MEMORY = 50
"""About so many exchanges are remembered."""


class Estimator:
    """What one model's exchanges take."""

    __slots__ = ("_output", "_ratio")

    def __init__(self) -> None:
        self._ratio = BYTES_PER_TOKEN
        self._output: float | None = None

    def demand(self, request: Request, responses: Iterable[Response] = ()) -> Demand:
        """Estimate the next exchange of `request` after `responses`."""
        answered = [_size(response.text) for response in responses]
        size, images = _measure(request.messages)
        size += sum(answered) + sum(len(turn.encode()) for turn in request.follow_ups[: len(answered)])
        given = _max_tokens(request.params)
        output = self._output if self._output is not None else min(given or OUTPUT_TOKENS, OUTPUT_TOKENS)
        output_tokens = round(min(output, given) if given else output)
        input_tokens = 3 + round(size / self._ratio) + images * IMAGE_TOKENS
        return Demand(1, input_tokens + output_tokens, input_tokens, output_tokens)

    def learn(self, estimated: Demand, usage: Usage) -> None:
        """Correct the estimates by what an exchange really took."""
        if usage.input_tokens > 0:
            error = (estimated.input_tokens / usage.input_tokens) ** (1 / MEMORY)
            self._ratio = min(max(self._ratio * error, 0.5), 16.0)
        previous = usage.output_tokens if self._output is None else self._output
        self._output = previous + (usage.output_tokens - previous) / MEMORY


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


def _max_tokens(params: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = params.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return None
