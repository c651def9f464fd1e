"""`brimline run`, the command. What the scenario tells is declared with `--rate` or `--concurrency`; nothing else is set."""

import os
import sys
from pathlib import Path

from job import Job


def main() -> None:
    """Write the configuration that a user would have, and become the command."""
    job = Job()
    tables = (
        f'[endpoints.{name}]\nbase_url = "{url}"\nkey = "none"\n' for name, url in job.endpoints.items()
    )
    Path("brimline.toml").write_text("".join(tables), encoding="utf-8")
    limits = []
    if job.told_requests is not None:
        limits += ["--rate", f"{job.told_requests}/{'s' if job.told_seconds == 1 else 'min'}"]
    if job.told_in_flight is not None:
        limits += ["--concurrency", str(job.told_in_flight)]
    command = [sys.executable, "-m", "brimline", "run", str(job.source), *limits, "-o", str(job.answers)]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
