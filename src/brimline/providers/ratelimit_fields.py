"""The IETF's `RateLimit` and `RateLimit-Policy` headers, in the forms that its drafts have had.

`"default";r=50;t=30` beside `"default";q=100;w=60`, and before that `limit=100, remaining=50, reset=30` beside `100;w=60`.
"""

import re
from collections.abc import Mapping

from brimline.providers.waits import SECOND, reset_wait
from brimline.types import Advert

_ITEM = re.compile(r'\s*"?([^",;=]*)"?\s*((?:;[^,]*)?)')
_PARAMETER = re.compile(r";\s*([a-z]+)\s*=\s*\"?([a-z-]+|\d{1,12})\"?\s*(?=;|$)")
_MEMBER = re.compile(r"\b(limit|remaining|reset)\s*=\s*(\d{1,12})\b(?!\.)")


def read_fields(limits: str, policies: str) -> list[Advert]:
    """Return what `RateLimit` says of each limit, with amount and window from the policy of its name."""
    if said := dict(_MEMBER.findall(limits)):
        window = window_of(_number(said.get("limit")) or 0, "", policies)
        found = [_advert("requests", said.get("limit"), said.get("remaining"), said.get("reset"), window)]
    else:
        known = _items(policies)
        found = [_joined(item, known.get(name, {})) for name, item in _items(limits).items()]
    return [advert for advert in found if advert is not None]


def _joined(item: Mapping[str, str], policy: Mapping[str, str]) -> Advert | None:
    """Return what an item and the policy of its name say together, if it is about something that is limited here."""
    unit = policy.get("qu", "requests")
    if unit not in {"requests", "tokens"}:
        return None
    return _advert(unit, policy.get("q"), item.get("r"), item.get("t"), _span(policy.get("w")))


def _advert(
    dimension: str, amount: str | None, left: str | None, whole: str | None, window: int | None
) -> Advert | None:
    limit, remaining = _number(amount), _number(left)
    if limit == 0 or (limit is None and not remaining) or (limit and remaining and remaining > limit):
        return None
    return Advert(dimension, limit, remaining, reset_wait(whole, None), window)


def window_of(limit: int, text: str, policies: str) -> int | None:
    """Return the window, ns, that a list of policies (`100;w=60`) gives for a limit, or None.

    Args:
        limit: The amount.
        text: The header of the limit itself, which may hold such a list.
        policies: `RateLimit-Policy`.
    """
    if "w=" not in text and "w=" not in policies:
        return None
    for name, item in (*_items(text).items(), *_items(policies).items()):
        if "w" in item and str(limit) in {name, item.get("q")}:
            return _span(item["w"])
    return None


def _items(text: str) -> dict[str, dict[str, str]]:
    """Return the parameters of each item of a list, by its name; of two with the same name, the later."""
    items = (_ITEM.fullmatch(item) for item in text.split(","))
    return {match[1].strip(): dict(_PARAMETER.findall(match[2])) for match in items if match and match[1]}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _span(text: str | None) -> int | None:
    """Return a number of seconds, one at least, in ns."""
    return (_number(text) or 0) * SECOND or None
