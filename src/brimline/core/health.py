"""How an endpoint fares: whether it answers, what it may be asked again, and whether one failure is all it says."""

from dataclasses import replace

from brimline.core.breaker import Breaker
from brimline.core.retry import RetryBudget
from brimline.types import Fault, FaultKind

ALIKE = 20
"""After so many requests in a row that a server refused in the very same words the next million will fare no better."""


class Health:
    """The health of one endpoint.

    Attributes:
        breaker: Keeps it from being asked while it does not answer.
        budget: Keeps retries from multiplying its trouble.
    """

    __slots__ = ("_alike", "breaker", "budget")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.budget = RetryBudget()
        self._alike: dict[str, tuple[str, int]] = {}

    def answered(self, model: str) -> None:
        """Note an answer of a model."""
        self.budget.earn()
        self._alike.pop(model, None)

    def refused(self, model: str, fault: Fault) -> Fault | None:
        """Note a request that a model will never answer; return why the others are hopeless too, or None."""
        if fault.kind is not FaultKind.INVALID_REQUEST or fault.http_status is None:
            return None
        said, times = self._alike.get(model, ("", 0))
        times = times + 1 if said == fault.detail else 1
        self._alike[model] = fault.detail, times
        if times < ALIKE:
            return None
        told = f"{times} requests in a row failed in the same way, and none was answered: {fault.detail}"
        return replace(fault, detail=told)
