"""Files of suppressed addresses: what stands in them, how they are replaced, and that the mail server hears of it."""

import os
import stat
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from api.doors import files_writing
from api.doors.files import AddressFiles
from api.doors.files_writing import Written, write_addresses
from api.view import View
from nullsender.clock import FakeClock
from nullsender.errors import Misconfigured, Transient
from suppression.models import addresses
from suppression.store.store import Store
from tests.store_contract import ADA, BEN, EVE, lift, put

NEWS = View("default", "news")
ALL_MAIL = View("default", None)

pytestmark = pytest.mark.parametrize("database", ["sqlite"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a file may be written."""
    folder = tmp_path / "lists"
    folder.mkdir()
    return folder / "suppressed.txt"


def test_a_file_holds_whom_mail_of_its_view_may_not_go_to_sorted_and_each_once(store: Store, file: Path) -> None:
    for address in (EVE, BEN, ADA):
        put(store, address)
    put(store, ADA, scope="news")
    put(store, "news-only@example.com", scope="news")
    put(store, "other-tenant@example.com", tenant="acme")
    put(store, "jürgen@bücher.example")

    assert write_addresses(store, NEWS, file) == Written(addresses=5, left_out=0, is_new=True)

    lines = file.read_bytes().decode().splitlines()
    assert lines == sorted([ADA, BEN, EVE, "news-only@example.com", "jürgen@xn--bcher-kva.example"])
    write_addresses(store, ALL_MAIL, file)
    assert "news-only" not in file.read_text()


def test_a_list_that_does_not_fit_into_memory_is_the_same(store: Store, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_writing, "FILE_RUN_ADDRESSES_MAX", 3)
    monkeypatch.setattr(files_writing, "FILE_PAGE_MAX", 2)
    named = [f"{number}@example.com" for number in range(20)]
    for address in named:
        put(store, address)
        put(store, address, cause="hard")

    assert write_addresses(store, ALL_MAIL, file).addresses == 20
    assert file.read_text().splitlines() == sorted(named)
    assert list(file.parent.iterdir()) == [file]


def test_lifted_and_expired_addresses_leave(store: Store, file: Path, clock: FakeClock) -> None:
    put(store, ADA)
    put(store, BEN, expires=clock.now() + timedelta(days=1))
    write_addresses(store, ALL_MAIL, file)
    lift(store, ADA)
    clock.advance(days=2)

    assert write_addresses(store, ALL_MAIL, file) == Written(addresses=0, left_out=0, is_new=True)
    assert file.read_bytes() == b""


def test_what_can_not_stand_in_a_file_is_left_out_and_counted(store: Store, engine: Engine, file: Path) -> None:
    for address in (ADA, BEN, "*@example.com", "#1@example.com", "/a/@example.com", '"a b"@example.com', "a#b@example.com"):
        put(store, address)
    with engine.begin() as connection:
        connection.execute(delete(addresses).where(addresses.c.address == BEN))

    assert write_addresses(store, ALL_MAIL, file) == Written(addresses=2, left_out=5, is_new=True)
    assert file.read_text().splitlines() == sorted([ADA, "a#b@example.com"])


def test_a_file_that_would_say_the_same_is_not_touched(store: Store, file: Path) -> None:
    put(store, ADA)
    write_addresses(store, ALL_MAIL, file)
    before = file.stat()
    put(store, ADA, cause="hard")

    assert not write_addresses(store, ALL_MAIL, file).is_new
    assert file.stat().st_ino == before.st_ino


def test_a_file_keeps_its_mode_and_a_new_one_is_private(store: Store, file: Path) -> None:
    write_addresses(store, ALL_MAIL, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    put(store, ADA)
    write_addresses(store, ALL_MAIL, file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_link_stays_one_and_the_file_behind_it_is_replaced(store: Store, file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(file)
    put(store, ADA)
    write_addresses(store, ALL_MAIL, link)

    assert link.is_symlink()
    assert file.read_text() == f"{ADA}\n"


def test_whoever_reads_a_file_while_it_is_replaced_sees_the_old_one_whole(store: Store, file: Path) -> None:
    put(store, ADA)
    write_addresses(store, ALL_MAIL, file)
    with file.open() as reader:
        put(store, BEN)
        write_addresses(store, ALL_MAIL, file)

        assert reader.read() == f"{ADA}\n"


def test_where_nothing_can_be_written_the_operator_is_told(store: Store, file: Path) -> None:
    with pytest.raises(Misconfigured, match="give this user a folder"):
        write_addresses(store, ALL_MAIL, file.parent / "missing" / "list.txt")


class Away(Store):
    """A store that goes away while it is asked for names."""

    is_away = False

    def suppressed_names(self, tenant: str, scopes: Sequence[str], after: bytes, limit: int) -> Sequence[object]:  # type: ignore[override]
        if self.is_away and after:
            raise Transient("away")
        return super().suppressed_names(tenant, scopes, after, 1)


def test_a_store_that_goes_away_leaves_the_file_as_it_was(store: Store, file: Path) -> None:
    store.__class__ = Away
    put(store, ADA)
    write_addresses(store, ALL_MAIL, file)
    put(store, BEN)
    store.is_away = True  # type: ignore[attr-defined]

    with pytest.raises(Transient):
        write_addresses(store, ALL_MAIL, file)
    assert file.read_text() == f"{ADA}\n"
    assert list(file.parent.iterdir()) == [file]


def kept(store: Store, file: Path, clock: FakeClock, *command: str) -> AddressFiles:
    """What keeps one file."""
    return AddressFiles(store, {file: ALL_MAIL}, command=command, every_seconds=60, clock=clock)


def test_files_are_written_when_the_list_has_changed_and_the_mail_server_is_told(
    store: Store, file: Path, clock: FakeClock
) -> None:
    told = file.parent / "told"
    files = kept(store, file, clock, "sh", "-c", f"echo again >> {told}")
    put(store, ADA)
    files.look()
    files.look()
    assert (file.read_text(), told.read_text()) == (f"{ADA}\n", "again\n")

    file.write_text("somebody else's\n")
    files.look()
    assert file.read_text() == "somebody else's\n", "nothing has changed, so nobody looked"
    put(store, BEN)
    files.look()

    assert (file.read_text(), told.read_text()) == (f"{ADA}\n{BEN}\n", "again\nagain\n")


def test_a_command_that_fails_is_run_again_until_it_does_not(store: Store, file: Path, clock: FakeClock) -> None:
    told = file.parent / "told"
    files = kept(store, file, clock, "sh", "-c", f"mkdir {told} || exit 0; exit 1")
    files.look()
    assert told.is_dir()
    told.rmdir()
    files.look()
    assert told.is_dir(), "the first run failed, so there was a second"
    files.look()
    os.rmdir(told)
    files.look()

    assert not told.exists(), "the third run was well"


def test_a_command_that_is_not_there_or_never_ends_holds_nothing_up(
    store: Store, file: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.doors.files.FILES_COMMAND_SECONDS_MAX", 0.05)
    for command in (["/nowhere/pmta", "reload"], ["sleep", "60"]):
        file.unlink(missing_ok=True)
        kept(store, file, clock, *command).look()
        assert file.exists()


def test_a_file_that_could_not_be_written_is_tried_again(store: Store, file: Path, clock: FakeClock) -> None:
    files = kept(store, file, clock)
    file.parent.rmdir()
    files.look()
    file.parent.mkdir()
    files.look()

    assert file.exists()
