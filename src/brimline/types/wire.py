"""One exchange on the wire as values, so that translating and sending stay strangers.

Not frozen, as all that is made for every request and seen by nobody else: freezing costs a microsecond each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class HttpRequest:
    """What a provider wants to be sent.

    Attributes:
        path: Path below the endpoint's base URL, with a leading `/`.
        body: The bytes of the body.
        headers: Headers beyond those of the endpoint; they win.
        method: The HTTP method.
    """

    path: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"


@dataclass(slots=True)
class HttpReply:
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Response headers; looked up without regard to case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
