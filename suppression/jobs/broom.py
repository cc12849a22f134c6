"""The duty that keeps a folder tidy in which each job has a folder of its own, called by the job's id."""

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from pathlib import Path

from suppression.jobs.job import Job
from suppression.store.jobs import StoreJobs


class Broom(ABC):
    """Sweeps what jobs of a kind leave. `kept`: how long what a job has made stays after its end."""

    def __init__(self, folder: Path, jobs: StoreJobs, kept: timedelta) -> None:
        self._folder = folder
        self._jobs = jobs
        self._kept = kept

    def sweep(self, now: datetime) -> None:
        """Look at every folder. `Transient` where the store can not be asked; `OSError` where the disk has trouble."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            self._tidy(folder, self._jobs.job(None, folder.name), now)

    @abstractmethod
    def _tidy(self, folder: Path, job: Job | None, now: datetime) -> None:
        """Remove what is not needed any more of that folder. `job` None: there is no such job (any more, or yet)."""
