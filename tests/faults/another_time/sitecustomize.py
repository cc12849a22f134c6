"""What Python imports at the start of every process of a system whose clock and record version a test decides.

FAULTS_TIME names a folder with two files: `clock` says by how many seconds the wall clock is wrong, read again at every look;
`version` says which record version the code is of, read at the start, as an upgrade would be.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

from nullsender import clock, events

_FOLDER = Path(os.environ["FAULTS_TIME"])
_real_now = clock.SystemClock.now


def _wrong_now(self: clock.SystemClock) -> datetime:
    return _real_now(self) + timedelta(seconds=float((_FOLDER / "clock").read_text()))


clock.SystemClock.now = _wrong_now  # type: ignore[method-assign]
events.RECORD_VERSION = int((_FOLDER / "version").read_text())
