"""The breaker of one endpoint: when it keeps failing, ask it now and then instead of all the time."""

from brimline.core.time import MINUTE, SECOND

THRESHOLD = 10
"""So many endpoint-wide faults in a row, without any other reply, open the breaker."""

NEXT_PROBE = SECOND
LAST_PROBE = 30 * SECOND
LATE = 16
"""The next probe goes after this part of the time that the endpoint has been away, but not sooner and not later than
that. So no more than a sixteenth is added to an outage; probes that double add up to as much as it lasted."""

PATIENCE = 30 * MINUTE
"""An endpoint that has not answered for so long is given up."""


class Breaker:
    """Closed: everything goes. Open: nothing goes but one probe at a time, until one is answered."""

    __slots__ = ("_failures", "_opened_at", "_probe_at", "_probing")

    def __init__(self) -> None:
        self._failures = 0
        self._opened_at: int | None = None
        self._probe_at = 0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether only probes may go."""
        return self._opened_at is not None

    def earliest(self, now: int) -> int | None:
        """Return from when an attempt may start, or None: not before the probe has ended."""
        if self._opened_at is None:
            return now
        return None if self._probing else self._probe_at

    def start(self) -> bool:
        """Note that an attempt starts; return whether it is a probe."""
        self._probing = self._probing or self.is_open
        return self.is_open

    def succeed(self) -> bool:
        """Note a reply, of whatever kind: the endpoint lives. Return whether that closed the breaker."""
        was_open = self.is_open
        self._failures = 0
        self._opened_at = None
        self._probing = False
        return was_open

    def fail(self, now: int, *, probe: bool) -> None:
        """Note an endpoint-wide fault."""
        self._failures += 1
        if self._opened_at is None and self._failures >= THRESHOLD:
            self._opened_at = now
            self._probe_at = now + NEXT_PROBE
        elif probe and self._opened_at is not None:
            self._probing = False
            away = now - self._opened_at
            self._probe_at = now + min(max(NEXT_PROBE, away // LATE), LAST_PROBE)

    def abandon(self, *, probe: bool) -> None:
        """Note that an attempt ended without telling anything about the endpoint."""
        if probe:
            self._probing = False

    def resume(self, now: int) -> None:
        """Be patient anew: while its run was paused nothing could be answered."""
        if self._opened_at is not None:
            self._opened_at = now

    def is_hopeless(self, now: int) -> bool:
        """Whether the endpoint has been failing for so long that it is given up."""
        return self._opened_at is not None and now - self._opened_at >= PATIENCE

    def __repr__(self) -> str:
        state = "closed" if self._opened_at is None else "probing" if self._probing else "open"
        return f"<Breaker {state}, {self._failures} failures in a row>"
