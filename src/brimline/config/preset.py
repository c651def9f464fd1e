"""What a built-in endpoint is: one row of a table, read by the configuration and by the pages about providers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class KeyRule(Enum):
    """Whether an endpoint wants a credential."""

    NEEDED = "needed"
    OPTIONAL = "optional"
    """It is sent if a variable holds one."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A place that is known without a file. Everything about a service that is not its dialect stands here, as data.

    Attributes:
        title: Its name for people.
        example: A model reference.
        provider: The dialect.
        base_url: Where it is, with the version path where the vendor's SDK wants it there; `{option}` is filled in from
            the options. None: only the user knows.
        key: Whether it wants a credential.
        key_variables: Where its key may be beside `<ENDPOINT>_API_KEY`, in order.
        url_variables: Where its base URL may be beside `<ENDPOINT>_BASE_URL`, in order.
        path: The end that a base URL from a variable has, added where it is missing (`/v1`).
        option_variables: For options of the dialect: where their values may be, in order.
        options: Options that hold if nothing else is said, quirks of the service among them.
        function: What answers instead of a server, as `module:name`.
        is_simulated: Whether the simulator is started where there is no base URL.
        limits: What replies say about its limits.
        charges: What counts against them, and when.
        notes: What else its users should know.
    """

    title: str
    example: str = ""
    provider: str = "openai"
    base_url: str | None = None
    key: KeyRule = KeyRule.NEEDED
    key_variables: tuple[str, ...] = ()
    url_variables: tuple[str, ...] = ()
    path: str = ""
    option_variables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    function: str | None = None
    is_simulated: bool = False
    limits: str = ""
    charges: str = ""
    notes: tuple[str, ...] = ()

    def completed(self, url: str) -> str:
        """Return a base URL that a variable holds as it was meant: `localhost`, `:11434`, one without its path."""
        default = re.match(r"(https?://)([^:/]+)(:\d+)?", self.base_url or "")
        if "://" not in url and default is not None and default[2] == "localhost":
            host, colon, rest = url.partition(":")
            url = f"{default[1]}{host or default[2]}{colon + rest if colon else default[3] or ''}"
        url = url.rstrip("/")
        return url if not self.path or url.endswith(self.path) else url + self.path
