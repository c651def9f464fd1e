"""An advert: what a reply says about one of its provider's limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Advert:
    """What a reply says about one limit, as the server saw it when it counted the request.

    A member that the reply does not give, or that makes no sense, is None.

    Attributes:
        dimension: What is counted: `requests`, `tokens`, `input_tokens` or `output_tokens`, as in `Fault.dimension`.
        limit: The amount per window.
        remaining: What is left of it; requests that were in flight at that moment may not be counted yet.
        reset: Nanoseconds from the reply until the limit is whole again. One more request may fit long before.
        window: The length of the window in nanoseconds, where the format or the provider fixes it.
    """

    dimension: str
    limit: int | None = None
    remaining: int | None = None
    reset: int | None = None
    window: int | None = None
