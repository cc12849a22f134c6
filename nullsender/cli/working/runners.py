"""Who does jobs of which kind. How a runner is written stands in `suppression/jobs/worker.py`; here each has its line."""

from collections.abc import Mapping

from nullsender.config import Settings
from suppression.jobs.worker import Runner
from suppression.store.store import Store


def runners_of(settings: Settings, store: Store) -> Mapping[str, Runner]:
    """The runner of each kind of job."""
    del settings, store
    return {}
