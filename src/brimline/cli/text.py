"""Text for terminals: what models, servers and files say is shown, never obeyed."""

import unicodedata

_SHOWN = {"\n", "\t"}


def clean(text: str) -> str:
    """Return `text` with everything made visible that a terminal would obey: escapes, controls, direction marks."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_plain(character) else _visible(character) for character in text)


def _is_plain(character: str) -> bool:
    return character in _SHOWN or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode()


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 1,319 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def pace(first_token: float | None, per_token: float | None) -> str:
    """Say how fast answers come; empty if they were not streamed."""
    parts = [] if first_token is None else [f"first token {first_token:.2f} s"]
    if per_token is not None:
        parts.append(f"{per_token * 1e3:.3g} ms a token")
    return ", ".join(parts)


def span(seconds: float | None) -> str:
    """Return a span of time as people say it: 45 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
