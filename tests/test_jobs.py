"""Long work: a crash only interrupts it, it is done by one at a time, and whoever lost it writes nothing any more."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from nullsender.clock import FakeClock
from nullsender.errors import Invalid, Transient
from nullsender.limits import DUTY_SECONDS, JOB_BREATH_SECONDS, JOB_LEASE_SECONDS, JOB_TRIES_MAX, JOBS_KEPT_DAYS, JOBS_OPEN_MAX
from suppression.jobs.job import Job, JobState
from suppression.jobs.worker import Duty, Runner, Work, Worker, do_duties
from suppression.store.jobs import StoreJobs
from suppression.store.store import Store
from tests.store_fixtures import BOTH_DATABASES

both_databases = pytest.mark.parametrize("database", BOTH_DATABASES)
pytestmark = both_databases


class Counted(msgspec.Struct):
    """What a job of these tests results in."""

    upto: int


@pytest.fixture
def jobs(store: Store) -> StoreJobs:
    """The jobs of an empty list."""
    return StoreJobs.beside(store)


def submit(jobs: StoreJobs, tenant: str = "default", job_id: str | None = None) -> Job:
    """A job that counts to three."""
    return jobs.submit("count", tenant, "3", reason="a test", requested_by="olga", job_id=job_id)


def now_of(jobs: StoreJobs, job: Job) -> Job:
    """The job as it stands."""
    found = jobs.job(None, job.id)
    assert found is not None
    return found


def count(work: Work) -> Counted:
    """Count to the number that was asked for, a checkpoint each."""
    upto = int(work.job.request)
    for number in range(int(work.job.cursor or 0) + 1, upto + 1):
        work.checkpoint(str(number), done=number, total=upto)
    return Counted(upto)


def worker(jobs: StoreJobs, clock: FakeClock, runner: Runner = count, stop: Callable[[], bool] = lambda: False) -> Worker:
    """One process's."""
    runners: Mapping[str, Runner] = {"count": runner}
    return Worker(jobs, runners, clock=clock, stop=stop)


class Died(BaseException):
    """The process ends without a word."""


def dies_at(number: int) -> Runner:
    """A runner whose process dies when it has counted so far."""

    def run(work: Work) -> Counted:
        if work.job.cursor is None and number == 0:
            raise Died
        for done in range(int(work.job.cursor or 0) + 1, number + 1):
            work.checkpoint(str(done), done=done, total=3)
        raise Died

    return run


def test_a_job_is_done_and_shows_what_came_of_it(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)
    assert job.state is JobState.WAITING

    assert worker(jobs, clock).step()
    assert not worker(jobs, clock).step()

    done = now_of(jobs, job)
    assert (done.state, done.result, done.done, done.total) == (JobState.COMPLETE, '{"upto":3}', 3, 3)
    assert done.finished is not None


def test_after_a_crash_the_next_process_goes_on_at_the_cursor_once_the_lease_is_over(jobs: StoreJobs, clock: FakeClock) -> None:
    job, seen = submit(jobs), []
    with pytest.raises(Died):
        worker(jobs, clock, dies_at(2)).step()
    assert not worker(jobs, clock).step()  # nobody knows yet that it died

    def look(work: Work) -> Counted:
        seen.append(work.job.cursor)
        return count(work)

    clock.advance(seconds=JOB_LEASE_SECONDS + 1)
    assert worker(jobs, clock, look).step()

    assert seen == ["2"]
    assert now_of(jobs, job).state is JobState.COMPLETE


def test_whoever_was_given_up_for_dead_writes_nothing_any_more(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)

    def sleeps_too_long(work: Work) -> Counted:
        clock.advance(seconds=JOB_LEASE_SECONDS + 1)
        assert worker(jobs, clock).step()  # another one does it
        work.checkpoint("1", done=1)
        raise AssertionError("it was ours no more")

    worker(jobs, clock, sleeps_too_long).step()

    assert now_of(jobs, job).cursor == "3"
    assert now_of(jobs, job).state is JobState.COMPLETE


def test_a_sign_of_life_keeps_a_job_for_as_long_as_it_takes(jobs: StoreJobs, clock: FakeClock) -> None:
    submit(jobs)

    def slow(work: Work) -> Counted:
        for _ in range(10):
            clock.advance(seconds=JOB_BREATH_SECONDS + 1)
            work.breathe()
            assert not worker(jobs, clock).step()
        return Counted(0)

    assert worker(jobs, clock, slow).step()


def test_a_job_that_is_cancelled_is_let_go_at_its_next_sign_of_life(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)

    def run(work: Work) -> Counted:
        assert jobs.cancel("default", job.id)
        return count(work)

    worker(jobs, clock, run).step()

    assert (now_of(jobs, job).state, now_of(jobs, job).result) == (JobState.CANCELLED, None)
    assert not worker(jobs, clock).step()


def test_a_job_that_was_cancelled_at_its_very_end_is_not_complete(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)

    def run(work: Work) -> Counted:
        jobs.cancel("default", job.id)
        return Counted(0)

    worker(jobs, clock, run).step()

    assert now_of(jobs, job).state is JobState.CANCELLED


def test_a_process_that_is_told_to_stop_leaves_its_job_to_the_next_at_once(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)

    assert worker(jobs, clock, stop=lambda: True).step()

    assert (now_of(jobs, job).state, now_of(jobs, job).cursor) == (JobState.WAITING, "1")
    assert worker(jobs, clock).step()
    assert now_of(jobs, job).state is JobState.COMPLETE


def test_what_is_invalid_breaks_a_job_and_the_job_says_why(
    jobs: StoreJobs, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def run(work: Work) -> Counted:
        raise Invalid("there is no such file")

    job = submit(jobs)
    worker(jobs, clock, run).step()

    assert (now_of(jobs, job).state, now_of(jobs, job).trouble) == (JobState.BROKEN, "there is no such file")
    assert {record.levelname for record in caplog.records if "broken" in record.message} == {"WARNING"}, "nobody is woken"


def test_a_bug_of_ours_breaks_a_job_without_showing_its_words(jobs: StoreJobs, clock: FakeClock) -> None:
    def run(work: Work) -> Counted:
        raise KeyError("/a/secret/path")

    job = submit(jobs)
    worker(jobs, clock, run).step()

    assert now_of(jobs, job).state is JobState.BROKEN
    assert "secret" not in (now_of(jobs, job).trouble or "")


def test_trouble_that_may_pass_is_waited_for_but_not_for_ever(jobs: StoreJobs, clock: FakeClock) -> None:
    def run(work: Work) -> Counted:
        raise Transient("the disk is full")

    job = submit(jobs)
    assert worker(jobs, clock, run).step()
    assert not worker(jobs, clock, run).step()  # not at once
    assert (now_of(jobs, job).state, now_of(jobs, job).trouble) == (JobState.WAITING, "the disk is full")

    for _ in range(JOB_TRIES_MAX):
        clock.advance(seconds=600)
        worker(jobs, clock, run).step()

    assert (now_of(jobs, job).state, now_of(jobs, job).trouble) == (JobState.BROKEN, "the disk is full")


def test_a_job_that_kills_every_process_is_broken_in_the_end(jobs: StoreJobs, clock: FakeClock) -> None:
    job = submit(jobs)
    for _ in range(JOB_TRIES_MAX):
        with pytest.raises(Died):
            worker(jobs, clock, dies_at(0)).step()
        clock.advance(seconds=JOB_LEASE_SECONDS + 1)

    assert worker(jobs, clock, dies_at(0)).step()

    assert now_of(jobs, job).state is JobState.BROKEN


def test_jobs_are_taken_in_the_order_in_which_they_were_asked_for(jobs: StoreJobs, clock: FakeClock) -> None:
    first = submit(jobs)
    clock.advance(seconds=1)
    second = submit(jobs)

    taken = [jobs.take(["count"]), jobs.take(["count"]), jobs.take(["count"])]

    assert [job and job.id for job in taken] == [first.id, second.id, None]


def test_of_processes_that_ask_at_once_each_gets_another_job(jobs: StoreJobs) -> None:
    ids = {submit(jobs).id for _ in range(8)}

    with ThreadPoolExecutor(4) as threads:
        taken = [job.id for job in threads.map(lambda _: jobs.take(["count"]), range(8)) if job]
    while (left := jobs.take(["count"])) is not None:  # who found a row locked may go away with nothing
        taken.append(left.id)

    assert sorted(taken) == sorted(ids)


def test_what_nobody_here_can_do_is_left_to_others(jobs: StoreJobs) -> None:
    submit(jobs)

    assert jobs.take(["export"]) is None


def test_a_tenant_may_only_have_so_many_jobs_waiting(jobs: StoreJobs) -> None:
    for _ in range(JOBS_OPEN_MAX):
        submit(jobs)

    with pytest.raises(Invalid, match="cancel one"):
        submit(jobs)
    submit(jobs, tenant="other")


def test_a_job_is_none_of_another_tenants_business(jobs: StoreJobs) -> None:
    job = submit(jobs)

    assert jobs.job("other", job.id) is None
    assert jobs.cancel("other", job.id) is None
    assert jobs.list_jobs("other", None, cursor=None, limit=10).items == []
    assert now_of(jobs, job).state is JobState.WAITING


def test_jobs_are_listed_newest_first_and_a_page_at_a_time(jobs: StoreJobs, clock: FakeClock) -> None:
    ids = []
    for _ in range(5):
        ids.append(submit(jobs).id)
        clock.advance(seconds=1)

    first = jobs.list_jobs("default", "count", cursor=None, limit=3)
    second = jobs.list_jobs("default", None, cursor=first.cursor, limit=3)

    assert [job.id for job in [*first.items, *second.items]] == ids[::-1]
    assert second.cursor is None
    with pytest.raises(Invalid):
        jobs.list_jobs("default", None, cursor="nonsense", limit=3)


def test_asking_for_a_job_twice_under_one_id_makes_one(jobs: StoreJobs) -> None:
    assert submit(jobs, job_id="abc") == submit(jobs, job_id="abc")
    assert len(jobs.list_jobs("default", None, cursor=None, limit=9).items) == 1


def test_old_jobs_leave_and_open_ones_do_not(jobs: StoreJobs, clock: FakeClock) -> None:
    ended, waiting = submit(jobs), submit(jobs)
    jobs.cancel("default", ended.id)
    clock.advance(days=JOBS_KEPT_DAYS + 1)

    jobs.forget_jobs(clock.now())

    assert [job.id for job in jobs.list_jobs("default", None, cursor=None, limit=9).items] == [waiting.id]


def test_a_duty_is_done_once_a_minute_by_all_processes_together(jobs: StoreJobs, clock: FakeClock) -> None:
    done: list[object] = []
    duties = [Duty("look", done.append)]

    do_duties(jobs, duties, clock.now())
    do_duties(jobs, duties, clock.now())
    assert len(done) == 1

    clock.advance(seconds=DUTY_SECONDS)
    do_duties(jobs, duties, clock.now())
    assert len(done) == 2


def test_a_duty_that_fails_keeps_no_other_from_being_done(jobs: StoreJobs, clock: FakeClock) -> None:
    done: list[object] = []

    def fails(_now: object) -> None:
        raise KeyError

    do_duties(jobs, [Duty("fails", fails), Duty("look", done.append)], clock.now())

    assert len(done) == 1
