"""Names that survive a power cut: a file that was made or renamed is safe once its folder is synced."""

import errno
import os
from pathlib import Path

_UNABLE = {errno.EINVAL, errno.ENOTSUP}
"""What file systems say that cannot sync a folder; nothing more can be done there."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: new ones, changed ones, and the lack of those that are gone.

    Raises:
        OSError: The disk fails.
    """
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
    finally:
        os.close(fd)
