"""The headers that say how the limits stand, in the words of three providers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from enum import StrEnum
from functools import lru_cache
from typing import Self

from brimline.sim.amounts import SECOND, go_duration
from brimline.sim.limits import Gauge


class Headers(StrEnum):
    """Whose form the headers have."""

    OWN = "own"
    """That of the API which was called."""
    NONE = "none"
    OPENAI = "openai"
    AZURE = "azure"
    ANTHROPIC = "anthropic"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read the name of a form; true is OpenAI's, false none."""
        if isinstance(value, bool):
            return cls("openai" if value else "none")
        try:
            return cls(str(value))
        except ValueError:
            expected = "expected true, false, 'own', 'openai', 'azure' or 'anthropic'"
            raise ValueError(f"{expected}, got {value!r}") from None


def rate_lines(form: Headers, gauges: Mapping[str, Gauge], wall: int) -> str:
    """The headers of some limits by name (`requests`, `input-tokens`); `wall` is Unix time in nanoseconds."""
    if form is Headers.OPENAI:
        return "".join(_openai(what, gauge) for what, gauge in gauges.items())
    if form is Headers.AZURE:
        return "".join(_azure(what, gauge) for what, gauge in gauges.items())
    if form is Headers.ANTHROPIC:
        parts = [gauges[what] for what in ("input-tokens", "output-tokens") if what in gauges]
        # its `tokens` repeats whichever of the two is nearer to its end
        sums = {"tokens": min(parts, key=lambda gauge: gauge.remaining)} if parts else {}
        return "".join(_anthropic(what, gauge, wall) for what, gauge in {**sums, **gauges}.items())
    return ""


@lru_cache(maxsize=4)
def http_date(seconds: int) -> str:
    """Unix time as the `date` header has it: rounded down to the second."""
    return formatdate(seconds, usegmt=True)


def _openai(what: str, gauge: Gauge) -> str:
    return (
        f"x-ratelimit-limit-{what}: {gauge.limit}\r\n"
        f"x-ratelimit-remaining-{what}: {gauge.remaining}\r\n"
        f"x-ratelimit-reset-{what}: {go_duration(gauge.reset)}\r\n"
    )


def _azure(what: str, gauge: Gauge) -> str:
    """OpenAI's names, but the reset in whole seconds."""
    return (
        f"x-ratelimit-limit-{what}: {gauge.limit}\r\n"
        f"x-ratelimit-remaining-{what}: {gauge.remaining}\r\n"
        f"x-ratelimit-reset-{what}: {-(-gauge.reset // SECOND)}\r\n"
    )


def _anthropic(what: str, gauge: Gauge, wall: int) -> str:
    """Tokens that are left come in thousands, the reset as the second by which the limit is whole."""
    remaining = gauge.remaining if what == "requests" else round(gauge.remaining, -3)
    reset = datetime.fromtimestamp(-(-(wall + gauge.reset) // SECOND), UTC)
    name = f"anthropic-ratelimit-{what}"
    return (
        f"{name}-limit: {gauge.limit}\r\n"
        f"{name}-remaining: {remaining}\r\n"
        f"{name}-reset: {reset:%Y-%m-%dT%H:%M:%SZ}\r\n"
    )
