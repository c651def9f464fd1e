"""What a reply's headers say about the limits: every form that providers use, read into adverts.

Which headers speak of which limit follows from their names alone, and a server sends the same names with every reply.
So the names are read once for each set of names, into a plan; a reply costs the reading of its values, and one that
says nothing costs next to nothing.

Numbers that make no sense say nothing. A limit that is none (Azure's -1 and 0) takes its whole advert along, and so does
more left than could be: one of the two is wrong, and nobody knows which.
"""

import re
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from brimline.providers.ratelimit_fields import read_fields, window_of
from brimline.providers.waits import SECOND, reset_wait
from brimline.types import Advert

_MINUTE, _HOUR, _DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
_DIGITS = 12
"""No provider allows more in a window than they can say; what is above stands for no limit at all."""
_MOST = 10**_DIGITS

_MEMBER = "(?P<member>limit|remaining|reset|renewalperiod)"
_NAMES = tuple(
    re.compile(form)
    for form in (
        rf"(?P<family>x-ratelimit)-{_MEMBER}(?:-(?P<subject>.+))?",
        rf"(?P<family>ratelimit|x-tokenlimit)-{_MEMBER}",
        rf"(?P<family>anthropic-(?:ratelimit|priority|fast))-(?P<subject>.+)-{_MEMBER}",
    )
)
_SUBJECT = re.compile(
    r"(?:project-)?(?P<what>.*?)(?:(?:^|-)(?P<count>\d{1,3}-)?(?P<period>second|minute|hour|day))?"
)
_DIMENSIONS = {
    "": "requests",
    "req": "requests",
    "requests": "requests",
    "tokens": "tokens",
    "input-tokens": "input_tokens",
    "output-tokens": "output_tokens",
    "tokens-prompt": "input_tokens",
    "tokens-cache-adjusted-prompt": "input_tokens",
    "tokens-generated": "output_tokens",
}
"""What is counted, by the words of the header's name; the last three are Fireworks'."""

_PERIODS = {"second": SECOND, "minute": _MINUTE, "hour": _HOUR, "day": _DAY}
_PER_SECOND = {"tokens-prompt", "tokens-cache-adjusted-prompt", "tokens-generated"}
_THOUSANDS = re.compile(r"\s*(\d{1,3}(?:,\d{3}){1,3})\s*", re.ASCII)
_FIRST = re.compile(rf"\s*(\d{{1,{_DIGITS}}})(?:\.\d*)?\s*(?:[,;].*)?", re.ASCII | re.DOTALL)


class _Group(NamedTuple):
    """The headers of one limit, by member; an empty name is a header that is not there."""

    dimension: str
    window: int | None
    limit: str = ""
    remaining: str = ""
    reset: str = ""
    renewalperiod: str = ""


class _Plan(NamedTuple):
    """What the headers of a reply speak of."""

    groups: tuple[_Group, ...]
    has_fields: bool
    """Whether the IETF's structured `RateLimit` is among them."""
    has_policies: bool
    """Whether there is a `RateLimit-Policy`, which may hold the window of a plain limit too."""


def read_adverts(headers: Mapping[str, str]) -> tuple[Advert, ...]:
    """Return what the headers say about each limit; where two speak of the same, what binds first.

    Nothing is raised, whatever they hold.

    Args:
        headers: With lower-case names, or looked up without regard to case.
    """
    plan = _plan(tuple(headers))
    if plan is None:
        return ()
    policies = headers.get("ratelimit-policy", "") if plan.has_policies else ""
    found = [advert for group in plan.groups if (advert := _read(group, headers, policies)) is not None]
    if plan.has_fields:
        found += read_fields(headers.get("ratelimit", ""), policies)
    return tuple(found) if len(found) < 2 else _binding(found)


def _binding(adverts: Iterable[Advert]) -> tuple[Advert, ...]:
    """Of those that speak of the same limit (a project's and its organisation's), keep what has less left."""
    kept: dict[tuple[str, int | None], Advert] = {}
    for advert in adverts:
        key = advert.dimension, advert.window
        if key not in kept or _left(advert) < _left(kept[key]):
            kept[key] = advert
    return tuple(kept.values())


def _left(advert: Advert) -> tuple[int, int]:
    remaining = _MOST if advert.remaining is None else advert.remaining
    return remaining, _MOST if advert.limit is None else advert.limit


def _read(group: _Group, headers: Mapping[str, str], policies: str) -> Advert | None:
    """Read the values of one limit."""
    limit = _amount(headers[group.limit]) if group.limit else None
    remaining = _amount(headers[group.remaining]) if group.remaining else None
    if group.limit and not limit:
        return None
    if limit is not None and remaining is not None and remaining > limit:
        if remaining > 2 * limit:
            return None
        remaining = limit
    reset = reset_wait(headers[group.reset], headers.get("date")) if group.reset else None
    if limit is reset is None and not remaining:
        return None
    window = group.window
    if group.renewalperiod:
        window = reset_wait(headers[group.renewalperiod], None) or window
    elif limit is not None and window is None:
        window = window_of(limit, headers[group.limit], policies)
    return Advert(group.dimension, limit, remaining, reset, window)


def _amount(text: str) -> int | None:
    """Return a whole number, or None: what is none, negative, or beyond reason.

    It may have a fraction, thousands separators, or be the first of a list ("100, 100;w=60").
    """
    if text.isdecimal() and text.isascii() and len(text) <= _DIGITS:
        return int(text)
    match = _THOUSANDS.fullmatch(text) or _FIRST.fullmatch(text)
    return int(match[1].replace(",", "")) if match else None


@lru_cache(maxsize=64)
def _plan(names: tuple[str, ...]) -> _Plan | None:
    """Sort the names of a reply's headers by the limit they speak of; None where there are none."""
    members: dict[tuple[str, str], dict[str, str]] = {}
    lowered = {name.lower() for name in names}
    for name in names:
        for form in _NAMES:
            if match := form.fullmatch(name.lower()):
                subject = match.groupdict().get("subject") or ""
                members.setdefault((match["family"], subject), {})[match["member"]] = name
    groups = tuple(
        _Group(counted[0], counted[1], **given)
        for (family, subject), given in members.items()
        if not _is_repeated(family, subject, members)
        and (counted := _counted(family, subject, lowered)) is not None
    )
    plan = _Plan(groups, "ratelimit" in lowered, "ratelimit-policy" in lowered)
    return plan if plan.groups or plan.has_fields else None


def _is_repeated(family: str, subject: str, others: Container[tuple[str, str]]) -> bool:
    """Whether others say it better.

    Anthropic's `tokens` is the most restrictive of its other two. What exceeds the priority tier is served from the
    standard one, which is the limit.
    """
    if (family, subject) == ("anthropic-ratelimit", "tokens"):
        return any((family, part) in others for part in ("input-tokens", "output-tokens"))
    return family == "anthropic-priority" and ("anthropic-ratelimit", subject) in others


def _counted(family: str, subject: str, names: Container[str]) -> tuple[str, int | None] | None:
    """Return dimension and, where it is fixed, window of a limit; None for what is not limited here."""
    match = _SUBJECT.fullmatch(subject)
    dimension = _DIMENSIONS.get(match["what"]) if match else None
    if match is None or dimension is None:
        return None
    if family == "x-tokenlimit":
        dimension = "tokens"
    if match["period"]:
        return dimension, int((match["count"] or "1-")[:-1]) * _PERIODS[match["period"]] or None
    return dimension, _usual_window(family, match["what"], names)


def _usual_window(family: str, what: str, names: Container[str]) -> int | None:
    """Return the window that a provider's limits have by its documentation, where the headers give the provider away."""
    if what in _PER_SECOND:  # Fireworks
        return SECOND
    if family.startswith("anthropic"):
        return _MINUTE
    if "x-groq-region" in names:  # under OpenAI's names
        return _DAY if what == "requests" else _MINUTE
    if "x-tokenlimit-limit" in names:  # Together
        return SECOND
    return None
