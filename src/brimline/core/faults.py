"""What follows from each kind of fault: one row in one table.

The policy is that of the official SDKs and the providers' own documentation: a refusal for a rate says something
about the account's bucket and costs no try; a failing endpoint is everybody's problem; a request that can never
succeed fails by itself; an account that cannot be served stops its endpoint before a million requests find out.
"""

from dataclasses import dataclass
from enum import Enum, auto

from brimline.types import FaultKind


class Reach(Enum):
    """Whom a fault concerns."""

    REQUEST = auto()
    """This request only."""
    SCOPE = auto()
    """Everything that shares the limits: wait, then go on."""
    ENDPOINT = auto()
    """The whole endpoint: many in a row open its breaker."""
    MODEL = auto()
    """The model at this endpoint: it stops."""
    ACCOUNT = auto()
    """The account: the endpoint stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """A row of the table.

    Attributes:
        reach: Whom it concerns.
        tries: How many tries of one request may end like this; 1: it is not tried again, None: as many as the
            policy allows.
        counts: Whether it uses up one of the request's tries.
        billed: Whether the provider may have used the tokens all the same, so that their estimate stands.
        transient: Whether a later run sends the request again without being told to.
        falls: Whether the request goes on to a fallback, where there is one, unless that is said otherwise.
    """

    reach: Reach = Reach.REQUEST
    tries: int | None = None
    counts: bool = True
    billed: bool = False
    transient: bool = True
    falls: bool = True

    @property
    def stops(self) -> bool:
        """Whether sending anything else of its kind is hopeless."""
        return self.reach in {Reach.MODEL, Reach.ACCOUNT}


_K = FaultKind

CONSEQUENCES: dict[FaultKind, Consequence] = {
    _K.RATE_LIMITED: Consequence(reach=Reach.SCOPE, counts=False),
    _K.OVERLOADED: Consequence(reach=Reach.ENDPOINT),
    _K.SERVER_ERROR: Consequence(reach=Reach.ENDPOINT, billed=True),
    _K.CONNECTION: Consequence(reach=Reach.ENDPOINT),
    _K.TIMEOUT: Consequence(tries=2, billed=True),
    _K.BAD_REPLY: Consequence(billed=True),
    _K.INTERNAL: Consequence(tries=2, billed=True),
    _K.INVALID_REQUEST: Consequence(tries=1, transient=False, falls=False),
    _K.TOO_LONG: Consequence(tries=1, transient=False),
    _K.CONTENT_FILTER: Consequence(tries=1, billed=True, transient=False),
    _K.TRUNCATED: Consequence(tries=1, billed=True, transient=False),
    _K.INVALID_OUTPUT: Consequence(
        tries=1, billed=True
    ),  # its further try was made as an exchange of its own
    _K.CANCELLED: Consequence(tries=1, billed=True, falls=False),
    _K.AUTH: Consequence(reach=Reach.ACCOUNT, counts=False),
    _K.QUOTA_EXHAUSTED: Consequence(reach=Reach.ACCOUNT, counts=False),
    _K.NOT_FOUND: Consequence(reach=Reach.MODEL, counts=False),
}
"""What follows from each kind of fault."""

FALLS_ON = frozenset(kind for kind, row in CONSEQUENCES.items() if row.falls)
"""The kinds of faults for which a request goes on to a fallback, unless that is said otherwise."""
