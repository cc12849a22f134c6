"""Makes the processes of a system believe that it is another time: a wrong clock, or a later version of the records."""

import os
from collections.abc import Mapping
from pathlib import Path


class AnotherTime:
    """What the processes of one system are made to believe; `settings` go into their environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.set_clock(0.0)
        self.upgrade_to(1)

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment that loads `sitecustomize.py`."""
        path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
        return {"PYTHONPATH": path, "FAULTS_TIME": str(self._folder)}

    def set_clock(self, wrong_by_seconds: float) -> None:
        """From now on the wall clock of every process is so wrong."""
        self._write("clock", str(wrong_by_seconds))

    def upgrade_to(self, version: int) -> None:
        """Every process that starts from now on reads and writes records of this version."""
        self._write("version", str(version))

    def _write(self, name: str, text: str) -> None:
        draft = self._folder / f"{name}.new"
        draft.write_text(text)
        draft.replace(self._folder / name)
