"""Names of files that survive a power failure: a file that was synced is lost all the same if its folder was not."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """The names in it are on disk when this returns. `OSError` where the disk does not take them."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
