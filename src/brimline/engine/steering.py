"""What people may do to a run over a file while it is alive: pause it, go on, end it, change its limits."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brimline.config import LimitRule
from brimline.engine.engine import Engine
from brimline.engine.manifest import describe_limits
from brimline.engine.run import Run
from brimline.engine.status import Status
from brimline.errors import ConfigError, UsageError

_LEARNED = "learned"


@dataclass(slots=True)
class Steering:
    """Does to one run what its commands ask for, and says so where it is shown.

    Attributes:
        engine: What runs it.
        run: The run.
        output: Its results.
        models: The models of its input.
        end: Ends it: with what is in flight, or (`now`) without.
        look: Says how it stands.
        say: Shows a line to those who watch it.
    """

    engine: Engine
    run: Run
    output: Path
    models: list[str]
    end: Callable[[bool], None]
    look: Callable[[], Status]
    say: Callable[[str], None]

    def status(self) -> Status:
        """Return how it stands."""
        return self.look()

    def pause(self) -> str:
        """Start nothing until it is resumed.

        Raises:
            UsageError: It is ending.
        """
        self._check_flowing()
        if self.run.paused:
            return "it is paused already"
        why = f"paused; `brimline resume {shlex.quote(str(self.output))}` goes on"
        self.engine.pump.pause(self.run, why)
        self.say(why)
        return f"paused: {self._in_flight()} still in flight"

    def resume(self) -> str:
        """Go on.

        Raises:
            UsageError: It is ending.
        """
        self._check_flowing()
        if not self.run.paused:
            return "it is not paused"
        self.engine.pump.resume(self.run)
        self.say("resumed")
        return "resumed"

    def halt(self, *, now: bool) -> str:
        """End it, resumably: with what is in flight, or without."""
        flying = self._in_flight()
        what = f"{flying} in flight dropped" if now else f"{flying} in flight to be finished"
        self.end(now)
        said = f"stopping: nothing more is sent, {what}"
        self.say(said)
        return said

    def declare(self, rules: list[LimitRule]) -> str:
        """Change declared limits; what left before counts in the new ones.

        Raises:
            UsageError: It is ending.
            ConfigError: The limits make no sense for this run. Nothing was changed.
        """
        self._check_flowing()
        for rule in rules:
            if not any(map(rule.matches, self.models)):
                raise ConfigError(f"'{rule.pattern}' matches no model of this run: {', '.join(self.models)}")
        self.engine.declare(rules)
        said = "; ".join(
            self._limits(model) for model in self.models if any(rule.matches(model) for rule in rules)
        )
        self.say(f"limits were changed: {said}")
        return said

    def _limits(self, model: str) -> str:
        limits = describe_limits(self.engine.config.limits(model))
        return f"{model}: {', '.join((*limits.quotas, f'concurrency {limits.concurrency or _LEARNED}'))}"

    def _in_flight(self) -> int:
        return sum(meter.in_flight for meter in self.run.meters.values())

    def _check_flowing(self) -> None:
        if self.run.closed is not None or self.run.done.is_set():
            raise UsageError("the run is ending")
