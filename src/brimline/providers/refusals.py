"""What a refusal for a rate says: which limit ran out, and when there is more of it.

A wait that is named is the best answer. Without one, a limit whose amount and remainder are advertised is followed by the
scheduler, who knows when one more request fits. Failing that, the limit's own reset is late but certain: it says when the
limit is whole again.

Some say nothing in headers, but name the limit in the refusal's words.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from brimline.providers.adverts import read_adverts
from brimline.providers.waits import SECOND, reset_wait
from brimline.types import Advert

DIMENSIONS = frozenset({"requests", "tokens", "input_tokens", "output_tokens"})
"""What may run out, in the words of `Fault.dimension`."""

_NAMED = re.compile(
    r"(?:\b(input|prompt|output|completion|generated)[ _-])?(request|token|call)s?"
    r"(?: per[ -]| ?/ ?| rate limit| has exceeded|_limited|_quota_exceeded)",
    re.IGNORECASE,
)
_PARTS = {
    "input": "input_tokens",
    "prompt": "input_tokens",
    "output": "output_tokens",
    "completion": "output_tokens",
    "generated": "output_tokens",
}
_SPANS = {"sec": SECOND, "min": 60 * SECOND, "hou": 3600 * SECOND, "day": 86_400 * SECOND}
_OPENAI = re.compile(
    r"(?:(?P<part>input|output) )?(?P<what>request|token)s per (?P<span>sec|min|hour|day)\w*(?: \([A-Z]+\))?: "
    r"Limit:? (?P<limit>\d[\d,]*)(?:, Used:? (?P<used>\d[\d,]*))?"
)
"""OpenAI and Groq: `on requests per min (RPM): Limit 60, Used 60, Requested 1.`"""
_PLAIN = re.compile(
    r"\b(?P<limit>\d[\d,]*) (?:(?P<part>input|output) )?(?:(?P<what>request|token)s? )?"
    r"(?:per|/) (?P<count>\d+ )?(?P<span>sec|min|hour|day)",
    re.IGNORECASE,
)
"""slowapi: `Rate limit exceeded: 2 per 1 second`; Anthropic: `rate limit of 50,000 input tokens per minute`."""
_QUOTA = re.compile(r"(Input|Output)?(Token|Request)")


def named_dimension(message: str, kind: str, quotas: Iterable[str]) -> str | None:
    """Return the one limit that an error names (`tokens per min (TPM)`, `8,000 output tokens per minute`), or None.

    Args:
        message: The error's words.
        kind: Its code and type.
        quotas: Google's quota ids (`GenerateRequestsPerMinutePerProjectPerModel`).
    """
    named = [match for quota in quotas if (match := _QUOTA.search(quota))]
    for matches in (named, _NAMED.finditer(message), _NAMED.finditer(kind)):
        dimensions = {_dimension(match[1] or "", match[2]) for match in matches}
        if dimensions:
            return dimensions.pop() if len(dimensions) == 1 else None
    return None


def what_ran_out(adverts: Iterable[Advert]) -> str | None:
    """Return the one dimension of which nothing is left, or None."""
    empty = {advert.dimension for advert in adverts if advert.remaining == 0}
    return empty.pop() if len(empty) == 1 else None


def wait_for(dimension: str, adverts: Iterable[Advert]) -> int | None:
    """Return the longest time until a limit of that dimension is whole again, ns, or None if nobody says."""
    resets = [
        advert.reset
        for advert in adverts
        if advert.reset
        and advert.dimension == dimension
        and not (advert.limit and advert.remaining is not None)
    ]
    return max(resets, default=None)


def adverts_of(headers: Mapping[str, str], metadata: Mapping[str, Any]) -> tuple[Advert, ...]:
    """Return what a refusal says about the limits; OpenRouter puts its headers into the body, too."""
    inner = metadata.get("headers")
    if isinstance(inner, dict) and not any(name.lower().startswith("x-ratelimit") for name in headers):
        given = {str(name).lower(): str(value) for name, value in inner.items()}
        return read_adverts({**given, "date": headers.get("date", "")})
    return read_adverts(headers)


def bare_reset(headers: Mapping[str, str]) -> int | None:
    """Return the wait of a server that has one limit and says nothing of it but when it is whole again."""
    if "x-ratelimit-remaining" in headers:
        return None
    return reset_wait(headers.get("x-ratelimit-reset"), headers.get("date"))


def _dimension(part: str, what: str) -> str:
    if what.lower() != "token":
        return "requests"
    return _PARTS.get(part.lower(), "tokens")


def named_limit(message: str) -> tuple[Advert, ...]:
    """Return the limit that a refusal's words name, if they name one: `2 per 1 second`, `requests per min (RPM): Limit 60`."""
    match = _OPENAI.search(message) or _PLAIN.search(message)
    if match is None:
        return ()
    parts = match.groupdict()
    limit, used = (int((parts.get(name) or "0").replace(",", "")) for name in ("limit", "used"))
    if not limit:
        return ()
    what = _dimension(parts.get("part") or "", parts["what"] or "request")
    window = int(parts.get("count") or 1) * _SPANS[parts["span"].lower()[:3]]
    return (Advert(what, limit, max(0, limit - used) if used else 0, None, window),)
