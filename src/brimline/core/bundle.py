"""Bundles: many small requests in one exchange, and the outcome of each of them.

Embeddings are cheap and short, so an exchange for each of a million rows would be spent on the way: providers take
many texts at once. For limits, permits and retries a bundle is one request; before and after that each row is its own.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

from brimline.types import Failure, FaultKind, Operation, Outcome, Request, Response, Success, Usage

CHARACTERS = 300_000
"""A bundle holds at most so many characters, as OpenAI takes so many tokens at once: few texts have more tokens."""

DIVISIBLE = frozenset({FaultKind.INVALID_REQUEST, FaultKind.TOO_LONG, FaultKind.CONTENT_FILTER})
"""Faults that may be those of a single row: what is refused as a whole is sent again in halves."""


def parts_of(request: Request) -> tuple[Request, ...]:
    """Return the requests that an exchange is for: those of a bundle, or the one that it is."""
    return request.parts or (request,)


def bundle(parts: Sequence[Request]) -> Request:
    """Return one request for several that fit together; one alone is none."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Request(
        id=first.id,
        model=first.model,
        messages=(),
        params=first.params,
        operation=first.operation,
        priority=first.priority,
        parts=tuple(parts),
    )


def pack(requests: Iterable[Request], size: int) -> list[Request]:
    """Return bundles of up to `size` embeddings each, with the same parameters and priority; others stay alone."""
    open_: list[_Open] = []
    packed: list[Request] = []
    place: _Open | None = None
    for request in requests:
        length = _length(request)
        if length is None:
            packed.append(request)
            continue
        if place is None or not place.suits(request):
            place = next((other for other in open_ if other.suits(request)), None)
        if place is None:
            place = _Open(request)
            open_.append(place)
        elif len(place.parts) == size or place.characters + length > CHARACTERS:
            packed.append(bundle(place.parts))
            place.clear()
        place.parts.append(request)
        place.characters += length
    return packed + [bundle(place.parts) for place in open_]


def _length(request: Request) -> int | None:
    """Return the characters of a request that fits into a bundle; None if it does not."""
    if request.operation is not Operation.EMBEDDING or len(request.messages) != 1:
        return None
    text = request.messages[0].get("content")
    return len(text) if isinstance(text, str) else None


class _Open:
    """A bundle that is being filled."""

    __slots__ = ("_params", "_priority", "characters", "parts")

    def __init__(self, first: Request) -> None:
        self._params = first.params
        self._priority = first.priority
        self.parts: list[Request] = []
        self.characters = 0

    def suits(self, request: Request) -> bool:
        """Whether a request can be asked in one exchange with these."""
        return self._params == request.params and self._priority == request.priority

    def clear(self) -> None:
        """Begin anew."""
        self.parts = []
        self.characters = 0


def halves(request: Request) -> tuple[Request, Request]:
    """Return the two halves of a bundle."""
    middle = (len(request.parts) + 1) // 2
    return bundle(request.parts[:middle]), bundle(request.parts[middle:])


def is_divisible(request: Request, kind: FaultKind) -> bool:
    """Whether what failed in this way may do better in halves."""
    return len(request.parts) > 1 and kind in DIVISIBLE


def split(outcome: Outcome) -> list[Outcome]:
    """Return the outcome of each request of a bundle, in order.

    They share the exchange: its time, its attempts and its id. What it used is divided by their length.
    """
    if not outcome.request.parts:
        return [outcome]
    if isinstance(outcome, Failure):
        return [_lost(outcome, part) for part in outcome.request.parts]
    response = outcome.response
    parts = outcome.request.parts
    usages = divide(response.usage, parts)
    return [
        Success(
            request=part,
            responses=(
                Response(
                    text="",
                    usage=usage,
                    model=response.model,
                    request_id=response.request_id,
                    embeddings=(vector,),
                ),
            ),
            attempts=outcome.attempts,
            sent_at=outcome.sent_at,
            latency=outcome.latency,
            served_by=outcome.served_by,
        )
        for part, vector, usage in zip(parts, response.embeddings, usages, strict=True)
    ]


def _lost(failure: Failure, part: Request) -> Failure:
    return Failure(
        request=part,
        fault=failure.fault,
        attempts=failure.attempts,
        sent_at=failure.sent_at,
        latency=failure.latency,
        served_by=failure.served_by,
    )


def divide(usage: Usage | None, parts: Sequence[Request]) -> Sequence[Usage | None]:
    """Divide what an exchange used among its requests by the length of their texts; the sum is exact."""
    if usage is None:
        return [None] * len(parts)
    ends = [0, *accumulate(1 + len(part.messages[0]["content"]) for part in parts)]
    fields = (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    if not any(fields[1:]):
        alike: dict[int, Usage] = {}
        return [
            alike.get(tokens) or alike.setdefault(tokens, Usage(tokens))
            for tokens in _shares(fields[0], ends)
        ]
    return [Usage(*shares) for shares in zip(*(_shares(total, ends) for total in fields), strict=True)]


def _shares(total: int, ends: Sequence[int]) -> list[int]:
    """Divide `total` in proportion to the spans between `ends`."""
    whole = ends[-1]
    return [total * end // whole - total * begin // whole for begin, end in pairwise(ends)]
