"""Which limits this process shares with others of its user, and where: the folder of daybooks."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from brimline.config import Endpoint, ModelLimits
from brimline.engine.clock import Clock
from brimline.store.daybook import FileDaybook
from brimline.store.shares import ShareFolder
from brimline.types import Secret

log = logging.getLogger("brimline.engine")

FOLDER = "BRIMLINE_SHARE_FOLDER"
"""The environment variable that names another folder."""


class Account(str):
    """Whose limits they are: unlike any other account's, and nobody can read from it what it was made of."""

    __slots__ = ()

    @classmethod
    def of(cls, endpoint: Endpoint, key: Secret | None) -> "Account | None":
        """Return the account at an endpoint; None for a simulator that is started for this process alone."""
        if endpoint.base_url is None:
            return None
        parts = (
            endpoint.base_url.rstrip("/"),
            "" if key is None else key.reveal(),
            *sorted(endpoint.options.items()),
        )
        return cls(_digest(repr(parts)))


class Sharing:
    """The daybooks of one engine.

    Args:
        clock: The engine's clock.
        environment: Where another folder may be named.
    """

    def __init__(self, clock: Clock, environment: Mapping[str, str]) -> None:
        self._clock = clock
        self._path = folder_in(environment)
        self._folder: ShareFolder | None = None
        self._daybooks: list[FileDaybook] = []
        self._is_lost = False

    def daybook(self, account: Account, model: str, limits: ModelLimits) -> FileDaybook | None:
        """Return the daybook of a model's limits; None if no quota is declared or nothing can be shared.

        A concurrency alone is no quota of an account, and writing every request down would cost a tenth of its CPU.
        """
        if self._is_lost or not limits.quotas:
            return None
        try:
            folder = self._open()
        except OSError as error:
            self._lost(f"{self._path}: {error.strerror or error}")
            return None
        scope = model.partition("/")[2] if limits.scope == model else limits.scope
        window = max((quota.window for quota in limits.quotas), default=0)
        daybook = folder.daybook(_digest(repr((account, scope))), window=window)
        self._daybooks.append(daybook)
        return daybook

    def close(self) -> None:
        """Leave the folder."""
        for daybook in self._daybooks:
            daybook.leave()
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _open(self) -> ShareFolder:
        if self._folder is None:
            clock = self._clock
            self._folder = ShareFolder(
                self._path, now=clock.now, wall=clock.wall, lost=self._lost, offset=clock.offset
            )
        return self._folder

    def _lost(self, why: str) -> None:
        """Say once that limits are not shared."""
        if not self._is_lost:
            self._is_lost = True
            log.warning("limits are not shared with other processes of this account: %s", why)


def folder_in(environment: Mapping[str, str]) -> Path:
    """Return where daybooks are.

    Not in XDG_RUNTIME_DIR: a cron job has none, and it is gone when its user logs out while a run goes on.
    """
    named = environment.get(FOLDER, "").strip()
    return Path(named) if named else Path(tempfile.gettempdir()) / f"brimline-{os.getuid()}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"brimline-shares").hexdigest()
