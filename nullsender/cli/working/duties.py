"""What is done every minute by one of all processes. How a duty is written stands in `suppression/jobs/worker.py`."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache

from nullsender.cli import parts
from nullsender.cli.working.erased_mail import RawMailBroom
from nullsender.cli.working.review_clock import ReviewClock
from nullsender.cli.working.unsubscribe_clock import UnsubscribeClock
from nullsender.config import Settings
from suppression.exports.jobs import ExportsBroom
from suppression.imports.jobs import ImportsBroom
from suppression.jobs.worker import Duty
from suppression.store.erased_mail import StoreErasedMail
from suppression.store.held_reports import StoreReview
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store
from suppression.store.unsubscribes import StoreUnsubscribes


def duties_of(settings: Settings, store: Store) -> Sequence[Duty]:
    """Every duty."""
    jobs, unsubscribes = StoreJobs.beside(store), StoreUnsubscribes.beside(store)
    review, open_log = StoreReview.beside(store), cache(lambda: parts.open_log(settings))  # a process opens it once
    return [
        Duty("old exports leave", ExportsBroom(settings.exports_folder, jobs, timedelta(days=settings.exports.days)).sweep),
        Duty("old imports leave", ImportsBroom(settings.imports_folder, jobs, timedelta(days=settings.imports.days)).sweep),
        Duty("what is held is reviewed", ReviewClock(review, review_days=settings.breaker.review_days).look),
        Duty("old jobs leave", jobs.forget_jobs),
        Duty("unsubscribes are in time", UnsubscribeClock(open_log, unsubscribes).look),
        Duty("raw mail of the erased leaves", RawMailBroom(open_log, StoreErasedMail.beside(store)).sweep),
    ]
