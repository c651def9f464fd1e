"""What can go wrong with a call, as exceptions; what can go wrong with one request is a `Fault`.

BrimlineError            base; `hint` says what to do next
├─ ConfigError           a setting is wrong: which, where, what was expected
├─ InputError            the input file or a row of it cannot be used; holds every problem found
├─ OutputError           the results file cannot be used: not ours, other rows, unwritable
│   └─ OutputLocked      another process holds it
├─ UsageError            the programmer's mistake: a closed engine, an option that does not fit
└─ RunError              the run as a whole could not go on

Every message says what happened, where, and what to do next.
"""

from collections.abc import Sequence


class BrimlineError(Exception):
    """Base of all exceptions of brimline.

    Args:
        message: What happened, and where.
        hint: What to do next, one sentence, or an empty string.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n  {self.hint}" if self.hint else message


class ConfigError(BrimlineError):
    """A setting is wrong; the message names it, its source and what was expected."""


class InputError(BrimlineError):
    """The input cannot be run. Nothing was sent.

    `problems` holds one line for each thing that is wrong, each with file, line and reason; the message lists the first.

    Args:
        message: What happened, and where.
        problems: What is wrong.
        count: How much is wrong, if `problems` does not hold all of it.
        is_setup: Whether nothing is wrong with the input itself: a key or a base URL is not there.
        hint: What to do next, one sentence, or an empty string.
    """

    LISTED = 20

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[str] = (),
        count: int | None = None,
        is_setup: bool = False,
        hint: str = "",
    ) -> None:
        listed = [f"  {problem}" for problem in problems[: self.LISTED]]
        count = len(problems) if count is None else count
        if count > len(listed):
            listed.append(f"  ... and {count - len(listed)} more; `brimline check` shows all")
        super().__init__("\n".join((message, *listed)), hint=hint)
        unknown = (f"... and {count - len(problems)} more",) if count > len(problems) else ()
        self.problems = (*problems, *unknown)
        self.is_setup = is_setup


class OutputError(BrimlineError):
    """The results file cannot be used. Nothing was sent and nothing was changed."""


class OutputLocked(OutputError):
    """Another living process holds the results file. `pid` is its process id, if it is known."""

    def __init__(self, message: str, *, pid: int | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.pid = pid


class UsageError(BrimlineError):
    """The call does not make sense; a mistake in the calling program."""


class RunError(BrimlineError):
    """The run could not start or go on. What was answered is kept; running it again resumes."""
