"""Imports as a whole: what rows do to the list, what they leave alone, and how an interrupted one goes on."""

import csv
import gzip
import hashlib
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nullsender.address import AddressHasher
from nullsender.clock import FakeClock
from nullsender.errors import Invalid
from suppression.imports import running, sorting
from suppression.imports.jobs import KIND, LIST, ImportRequest, ImportRunner, ImportsBroom, refused_file, report_of, submit
from suppression.imports.options import Options
from suppression.imports.report import Report
from suppression.imports.running import REFUSED, Brief, Importer
from suppression.jobs.job import JobState
from suppression.jobs.worker import Worker
from suppression.policy import Cause
from suppression.records import Change, ConsentRequired
from suppression.store.audit_read import AuditFilters, StoreAudit
from suppression.store.imports import StoreImports
from suppression.store.jobs import StoreJobs, new_id
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_contract import lift, live, put, tell
from tests.store_fixtures import ADDRESS_KEY, BOTH_DATABASES

ADA, BEN, EVE = "ada@example.com", "ben@example.org", "eve@example.net"
HASHER = AddressHasher(ADDRESS_KEY)
OLD = "2024-01-01 00:00:00"


@pytest.fixture(params=BOTH_DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Desk:
    """Where lists are imported."""

    def __init__(self, store: Store, clock: FakeClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.imports = StoreImports.beside(store)
        self._made = 0

    def importer(
        self, text: str | bytes, *, reason: str = "a test", dry_run: bool = False, every_tenant: bool = False, **options: Any
    ) -> Importer:
        """An import of a list with this text."""
        self._made += 1
        folder = self.folder / str(self._made)
        folder.mkdir()
        (folder / LIST).write_bytes(text if isinstance(text, bytes) else text.encode())
        brief = Brief(
            id=f"i{self._made}",
            tenant="default",
            actor="olga",
            reason=reason,
            name="list.csv",
            options=Options(**options),
            dry_run=dry_run,
            every_tenant=every_tenant,
        )
        return Importer(self.imports, HASHER, self.clock, brief, folder / LIST, folder)

    def take(self, text: str | bytes, **options: Any) -> Report:
        """Import it."""
        importer = self.importer(text, **options)
        importer.read(lambda _: None)
        *_, last = importer.take(None, lambda _: None)
        importer.end(last.report)
        return last.report

    def refused(self) -> list[list[str]]:
        """The refused rows of the last import, as its file has them."""
        with (self.folder / str(self._made) / REFUSED).open(newline="") as file:
            return list(csv.reader(file))[1:]


@pytest.fixture
def desk(store: Store, clock: FakeClock, tmp_path: Path) -> Desk:
    folder = tmp_path / "desk"
    folder.mkdir()
    return Desk(store, clock, folder)


def mandrill(*rows: str) -> str:
    return "\n".join(["email,reason,detail,created_at,last_event_at,expires_at", *rows])


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.taken, report.merged, report.kept, report.refused


def test_rows_become_entries_that_name_their_import_their_file_and_their_line(desk: Desk) -> None:
    text = mandrill(f"{ADA},hard-bounce,550 {ADA} is gone,{OLD},{OLD},", f"{BEN},unsub,,{OLD},{OLD},2025-01-01 00:00:00")
    report = desk.take(text, reason="we leave them", mailing_list="news")

    [ada], [ben] = desk.store.entries_of("default", ADA), desk.store.entries_of("default", BEN)
    assert counts(report) == (2, 0, 0, 0)
    assert report.causes == {cause: {"taken": 1, "merged": 0, "kept": 0} for cause in ("hard", "unsubscribe")}
    assert ada.evidence == f"import:i1:2:{hashlib.sha256(text.encode()).hexdigest()}"
    assert (ada.cause, ada.scope, ada.created_by, ada.reason) == (
        Cause.HARD,
        "*",
        "olga",
        "we leave them (mandrill: hard-bounce)",
    )
    assert ada.since == datetime(2024, 1, 1, tzinfo=UTC)
    assert (ben.scope, ben.expires) == ("list:news", None), "a person's word has no end"
    kinds = [act.kind for act in desk_acts(desk)]
    assert [kind for kind in kinds if kind.startswith("import")] == ["import-ended", "import-begun"]


def desk_acts(desk: Desk) -> list[Any]:
    return list(StoreAudit.beside(desk.store).list_audit(AuditFilters(), cursor=None, limit=50).items)


def test_a_second_time_changes_nothing(desk: Desk) -> None:
    text = mandrill(f"{ADA},hard-bounce,,{OLD},{OLD},", f"{BEN},spam,,{OLD},{OLD},")
    desk.take(text)
    head = desk.store.feed_head()

    assert counts(desk.take(text)) == (0, 0, 2, 0)
    assert not desk.store.since(head, 10)


def test_an_entry_is_only_ever_strengthened(desk: Desk) -> None:
    for address in (ADA, BEN):
        put(desk.store, address, cause="hard", expires=desk.clock.now() + timedelta(days=3))
    put(desk.store, EVE, cause="hard")

    report = desk.take(f"email\n{ADA}\n{BEN}\n{EVE}\n", cause=Cause.HARD)

    assert counts(report) == (0, 2, 1, 0)
    assert [entry.expires for address in (ADA, BEN, EVE) for entry in desk.store.entries_of("default", address)] == [None] * 3


def test_what_stood_on_a_report_alone_stands_on_the_list_too_from_then_on(desk: Desk) -> None:
    tell(desk.store, an_outcome("r1", recipient=ADA))

    assert counts(desk.take(f"{ADA}\n", cause=Cause.HARD)) == (0, 1, 0, 0)
    [entry] = desk.store.entries_of("default", ADA)
    assert entry.rule is None


def lifted(desk: Desk, address: str, cause: str, consent: str | None = None) -> None:
    put(desk.store, address, cause=cause)
    desk.clock.advance(seconds=60)
    desk.store.lift("default", address, scope=None, cause=None, reason="a mistake", consent=consent, actor="olga")
    desk.clock.advance(seconds=60)


def test_an_old_list_does_not_bring_back_what_was_lifted_here(desk: Desk) -> None:
    lifted(desk, ADA, "hard")
    lifted(desk, BEN, "complaint", consent="signed up again")
    rows = mandrill(f"{ADA},hard-bounce,,{OLD},{OLD},", f"{BEN},unsub,,{OLD},{OLD},", f"{EVE},hard-bounce,,{OLD},{OLD},")

    report = desk.take(rows)

    assert counts(report) == (1, 0, 0, 2)
    assert not live(desk.store, ADA)
    assert not live(desk.store, BEN), "the consent was to mail, whichever word had stopped it"
    assert all("lifted or released here at" in row[1] and "after the row's own date" in row[1] for row in desk.refused())
    assert {row[2] for row in desk.refused()} == {ADA, BEN}


def test_a_row_without_a_date_is_not_taken_where_somebody_was_lifted(desk: Desk) -> None:
    lifted(desk, ADA, "hard")

    assert counts(desk.take(f"{ADA}\n", cause=Cause.HARD)) == (0, 0, 0, 1)
    assert "the row has no date" in desk.refused()[0][1]
    assert counts(desk.take(f"{ADA}\n", cause=Cause.HARD, force=True)) == (1, 0, 0, 0)
    assert live(desk.store, ADA)


def test_a_row_that_is_newer_than_the_lift_counts(desk: Desk) -> None:
    lifted(desk, ADA, "hard")
    newer = f"{desk.clock.now():%Y-%m-%d %H:%M:%S}"

    assert counts(desk.take(mandrill(f"{ADA},hard-bounce,,{newer},{newer},"))) == (1, 0, 0, 0)


def test_another_cause_is_not_what_was_lifted(desk: Desk) -> None:
    lifted(desk, ADA, "manual")

    assert counts(desk.take(mandrill(f"{ADA},spam,,{OLD},{OLD},"))) == (1, 0, 0, 0)


def test_a_dry_run_reports_the_same_and_changes_nothing(desk: Desk) -> None:
    lifted(desk, ADA, "hard")
    rows = mandrill(f"{ADA},hard-bounce,,{OLD},{OLD},", f"{BEN},spam,,{OLD},{OLD},", "nobody,spam,,,,")
    head, acts = desk.store.feed_head(), len(desk_acts(desk))

    planned = desk.take(rows, dry_run=True)

    assert counts(planned) == (1, 0, 0, 2)
    assert (desk.store.feed_head(), len(desk_acts(desk))) == (head, acts)
    assert counts(desk.take(rows)) == counts(planned)


def test_a_hashed_list_stops_those_whose_hash_is_on_it(desk: Desk) -> None:
    lines = [hashlib.md5(ADA.encode()).hexdigest(), hashlib.sha256(BEN.encode()).hexdigest().upper()]
    report = desk.take("\n".join(lines), cause=Cause.UNSUBSCRIBE)

    keys = [HASHER.prehashed(ADA)[0], HASHER.prehashed(BEN)[1], *HASHER.prehashed(EVE)]
    found = desk.store.check_hashes("default", desk.store.policy.scopes_of("default"), keys)
    assert counts(report) == (2, 0, 0, 0)
    assert set(found) == set(keys[:2])
    assert counts(desk.take("\n".join(lines), cause=Cause.UNSUBSCRIBE)) == (0, 0, 2, 0)


def test_whoever_is_on_a_hashed_list_is_found_and_lifted_by_the_address(desk: Desk) -> None:
    desk.take(hashlib.md5(ADA.encode()).hexdigest(), cause=Cause.UNSUBSCRIBE)

    assert [(entry.address, entry.cause) for entry in desk.store.entries_of("default", ADA)] == [(ADA, Cause.UNSUBSCRIBE)]
    with pytest.raises(ConsentRequired):
        lift(desk.store, ADA)
    assert [entry.address for entry in lift(desk.store, ADA, consent="double opt-in")] == [ADA]
    assert desk.store.entries_of("default", ADA) == []


def test_a_plain_list_without_a_cause_is_refused_as_a_whole(desk: Desk) -> None:
    with pytest.raises(Invalid, match="name the cause"):
        desk.take(f"{ADA}\n{BEN}\n")


def test_one_address_many_times_is_one_entry(desk: Desk) -> None:
    report = desk.take(mandrill(f"{ADA},hard-bounce,,{OLD},{OLD},", f"Ada@Example.com,hard-bounce,,{OLD},{OLD},"))

    assert counts(report) == (1, 0, 1, 0)


def test_a_row_whose_time_is_over_is_refused(desk: Desk) -> None:
    ended, ahead = f"{desk.clock.now():%Y-%m-%d %H:%M:%S}", f"{desk.clock.now() + timedelta(days=2):%Y-%m-%d %H:%M:%S}"
    report = desk.take(mandrill(f"{ADA},hard-bounce,,{OLD},{OLD},{ended}", f"{BEN},soft-bounce,,{OLD},{OLD},{ahead}"))

    assert counts(report) == (1, 0, 0, 1)
    assert "it ended at" in desk.refused()[0][1]


def test_no_refused_row_is_a_formula(desk: Desk) -> None:
    desk.take("ada@example.com\n=cmd|' /C calc'!A0\n", cause=Cause.HARD)

    assert desk.refused()[0][2].startswith("'=")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "IMPORT_PART_BYTES", 40)
    monkeypatch.setattr(sorting, "IMPORT_PARTS_MAX", 8)
    monkeypatch.setattr(sorting, "IMPORT_PART_ROWS_HELD", 3)
    monkeypatch.setattr(sorting, "IMPORT_SORTED_ROWS_MAX", 4)
    monkeypatch.setattr(running, "IMPORT_ROWS_A_TURN", 2)


@pytest.mark.usefixtures("small_parts")
def test_an_import_in_many_parts_is_the_same_as_one_in_a_single_part(desk: Desk) -> None:
    report = desk.take("\n".join(f"user{number}@example.com" for number in range(100)), cause=Cause.HARD)

    assert counts(report) == (100, 0, 0, 0)
    assert all(live(desk.store, f"user{number}@example.com") for number in range(0, 100, 7))


@pytest.mark.usefixtures("small_parts")
def test_an_import_that_a_crash_interrupted_goes_on_at_its_part_and_reports_the_whole(desk: Desk) -> None:
    rows = "\n".join([*(f"user{number}@example.com" for number in range(50)), "nobody"])
    importer = desk.importer(rows, cause=Cause.HARD)
    importer.read(lambda _: None)
    places = importer.take(None, lambda _: None)
    saved = msgspec.json.encode([next(places), next(places)][-1])
    next(places, None)  # a part was taken that nobody noted
    assert isinstance(places, Generator)
    places.close()

    again = Importer(*(getattr(importer, f"_{name}") for name in ("store", "hasher", "clock", "brief", "file", "folder")))
    again.read(lambda _: None)
    *_, last = again.take(msgspec.json.decode(saved, type=running.Place), lambda _: None)

    assert counts(last.report) == (50, 0, 0, 1)
    assert [row[2] for row in desk.refused()] == ["nobody"]


@pytest.fixture
def jobs(desk: Desk) -> StoreJobs:
    return StoreJobs.beside(desk.store)


def work_off(desk: Desk, jobs: StoreJobs) -> None:
    runner = ImportRunner(desk.folder, desk.imports, HASHER, desk.clock)
    worker = Worker(jobs, {KIND: runner}, clock=desk.clock, stop=lambda: False)
    while worker.step():
        pass


def test_a_job_takes_the_file_of_its_folder_and_the_broom_leaves_its_refused_rows_for_a_while(
    desk: Desk, jobs: StoreJobs
) -> None:
    job_id = new_id()
    (desk.folder / job_id).mkdir()
    (desk.folder / job_id / LIST).write_text(f"{ADA}\nnobody\n")
    request = ImportRequest(name="x.txt", options=Options(cause=Cause.HARD))
    submit(jobs, "default", request, job_id=job_id, reason="a test", requested_by="key")
    broom = ImportsBroom(desk.folder, jobs, timedelta(days=2))

    work_off(desk, jobs)

    job = jobs.job("default", job_id)
    assert job is not None
    assert job.state is JobState.COMPLETE
    report = report_of(job)
    assert report is not None
    assert counts(report) == (1, 0, 0, 1)
    assert (job.done, job.total) == (2, 2)
    broom.sweep(desk.clock.now())
    assert list((desk.folder / job_id).iterdir()) == [refused_file(desk.folder, job)]
    broom.sweep(desk.clock.now() + timedelta(days=3))
    assert not (desk.folder / job_id).exists()


def test_what_stops_transactional_mail_alone_there_stops_the_streams_that_the_policy_calls_so(desk: Desk) -> None:
    rows = (
        f"recipient,transactional,non_transactional\n{ADA},true,false\n{BEN},true,true\n{EVE},false,true\n",
        f'{{"results": [{{"recipient": "{ADA}", "type": "transactional", "source": "Bounce Rule"}}]}}',
    )
    for text in rows:
        desk.take(text, cause=Cause.HARD)

    for address, scope in ((ADA, "transactional"), (BEN, "*"), (EVE, "*-transactional")):
        assert [entry.scope for entry in desk.store.entries_of("default", address)] == [scope]


def test_rows_of_other_tenants_go_onto_nobodys_list(desk: Desk) -> None:
    text = f"address,known_as,cause,scope,tenant\n{ADA},,hard,*,default\n{BEN},,hard,*,acme\n"

    report = desk.take(text)

    assert counts(report) == (1, 0, 0, 1)
    assert desk.refused() == [["3", "a row of the tenant acme: import it onto that tenant's list", BEN]]
    assert not desk.store.entries_of("default", BEN)


def test_an_operator_puts_rows_of_every_tenant_onto_the_lists_that_they_name(desk: Desk) -> None:
    text = f"address,known_as,cause,scope,tenant\n{ADA},,hard,*,default\n{BEN},,hard,*,acme\n{EVE},,hard,*,no name\n"

    report = desk.take(text, every_tenant=True)

    assert counts(report) == (2, 0, 0, 1)
    assert [entry.cause for entry in desk.store.entries_of("acme", BEN)] == [Cause.HARD]
    assert not desk.store.entries_of("default", BEN)
    assert [row[2] for row in desk.refused()] == [EVE], "a tenant has no such name"


def test_a_date_that_nobody_can_read_counts_as_none_and_is_told(desk: Desk) -> None:
    lifted(desk, ADA, "hard")
    report = desk.take(mandrill(f"{ADA},hard-bounce,,notatime,,", f"{BEN},hard-bounce,,{OLD},,never", f"{EVE},spam,,,,"))

    assert (counts(report), report.dates_unread) == ((2, 0, 0, 1), 2)
    assert "the row has no date" in desk.refused()[0][1]
    [ben] = desk.store.entries_of("default", BEN)
    assert ben.expires is None


def test_blank_lines_give_a_sign_of_life_and_have_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row comes of them, so nothing else would keep a job's lease."""
    signs: list[int] = []
    importer = desk.importer(f"{ADA}\n".encode() + b"\n" * 2**20, cause=Cause.HARD)
    importer.read(signs.append)
    assert len(signs) > 4

    monkeypatch.setattr(running, "IMPORT_LINES_MAX", 1_000)
    with pytest.raises(Invalid, match="more than 1,000 lines"):
        desk.take(f"{ADA}\n".encode() + b"\n" * 2_000, cause=Cause.HARD)
    assert not live(desk.store, ADA)


@pytest.mark.parametrize("bound", ["IMPORT_REFUSED_BYTES_MAX", "IMPORT_ROWS_MAX"])
def test_a_packed_file_does_not_fill_the_disk_and_nothing_of_it_is_taken(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(running, bound, 1_000)
    rows = f"{ADA}\nnobody\n" * 3 * running._ROWS_A_STEP

    with pytest.raises(Invalid):
        desk.importer(gzip.compress(rows.encode()), cause=Cause.HARD).read(lambda _: None)

    written = sum(path.stat().st_size for path in desk.folder.rglob("*"))
    assert written < len(rows) * 8, "it stops soon"
    assert not desk.store.entries_of("default", ADA)


def test_a_job_whose_file_is_no_list_is_broken_and_says_why(desk: Desk, jobs: StoreJobs) -> None:
    job_id = new_id()
    (desk.folder / job_id).mkdir()
    (desk.folder / job_id / LIST).write_bytes(b"\x00\x01\x02" * 500)
    submit(jobs, "default", ImportRequest(name="x", options=Options()), job_id=job_id, reason="r", requested_by="key")
    submit(jobs, "default", ImportRequest(name="y", options=Options()), job_id=new_id(), reason="r", requested_by="key")

    work_off(desk, jobs)

    troubles = {job.trouble for job in jobs.list_jobs("default", KIND, cursor=None, limit=5).items if job.trouble}
    assert any("binary file" in trouble for trouble in troubles)
    assert any("share the folder" in trouble for trouble in troubles)


def test_the_history_of_a_person_shows_the_import(desk: Desk) -> None:
    desk.take(f"{ADA}\n", cause=Cause.HARD)

    [change] = [item for item in desk.store.history("default", ADA, cursor=None, limit=5).items if isinstance(item, Change)]
    assert change.report_id is not None
    assert change.report_id.startswith("import:i1:1:")
