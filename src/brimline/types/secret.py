"""A credential that does not show itself."""


class Secret:
    """Text that stays out of logs, errors, results and crash dumps: `repr` and `str` hide it.

    Only `reveal()` gives the text, at the one place that puts it into a header.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def redact(self, text: str) -> str:
        """Return `text` with every occurrence of the secret replaced, for messages that a server wrote.

        A text of a few characters is no secret, but part of many words.
        """
        return text.replace(self._text, "[key]") if len(self._text) > 4 and self._text in text else text

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled: a credential must not end up in a file by accident."""
        raise TypeError("a Secret cannot be pickled")
