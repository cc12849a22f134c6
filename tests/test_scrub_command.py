"""`nullsender scrub`: lists go in, those who may be sent to come out, without a server."""

import io
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from api.batch import loading
from api.index.follower import follow
from api.index.table import lock_path
from nullsender import config
from nullsender.cli import main, store_parts
from nullsender.cli.parts import CLOCK
from nullsender.cli.scrubbing.results import Results
from nullsender.config import Settings
from nullsender.file_lock import locked
from nullsender.limits import SCRUB_LINE_BYTES_MAX
from suppression.store.store import Store
from tests.waiting import wait_for


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    loading.load()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    return config.load({"data": str(tmp_path / "data")}, environment={})


@pytest.fixture
def store(settings: Settings) -> Store:
    store = store_parts.migrate_store(settings)
    suppress(store, "gone@example.com", cause="hard")
    suppress(store, "reader@example.com", cause="unsubscribe", scope="news")
    return store


def suppress(store: Store, address: str, *, cause: str = "hard", scope: str = "*", tenant: str = "default") -> None:
    store.add(tenant, address, scope=scope, cause=cause, reason="a test", expires=None, actor="test")


@pytest.mark.usefixtures("store")
def test_what_may_be_sent_to_is_written_and_the_rest_with_what_stops_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first").write_bytes(b"a@example.com\r\nGONE@example.com\n")
    (tmp_path / "second").write_bytes(b"reader@example.com\nnonsense\n\nb@example.com")
    out, suppressed, invalid = (tmp_path / name for name in ("out", "suppressed", "invalid"))

    code = main(
        ["scrub", str(tmp_path / "first"), str(tmp_path / "second"), "--stream", "news", *results(out, suppressed, invalid)]
    )

    assert code == 0
    assert out.read_bytes() == b"a@example.com\r\nb@example.com\n"
    assert suppressed.read_bytes() == b"GONE@example.com\thard\t*\nreader@example.com\tunsubscribe\tnews\n"
    assert invalid.read_text().startswith("nonsense\tnot an address")
    said = " ".join(capfd.readouterr().err.split())
    assert said == "checked 5 allowed 2 suppressed 2 unsubscribe 1 hard 1 invalid 1"


def results(out: Path, suppressed: Path, invalid: Path) -> list[str]:
    return ["--output", str(out), "--suppressed", str(suppressed), "--invalid", str(invalid)]


@pytest.mark.usefixtures("store")
def test_standard_input_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"gone@example.com\na@example.com\n")))

    assert main(["scrub"]) == 0

    assert capfdbinary.readouterr().out == b"a@example.com\n"


@pytest.mark.usefixtures("store")
def test_a_column_of_csv_is_scrubbed_record_by_record(tmp_path: Path) -> None:
    records = [
        b"\xef\xbb\xbfname,mail,note\r\n",
        b'Ada,a@example.com,"two\nlines, one note"\r\n',
        b'"G, one",gone@example.com,\r\n',
    ]
    records += [b"short\r\n", b"\r\n", b'"last ""one""",b@example.com,x']
    (tmp_path / "list.csv").write_bytes(b"".join(records))
    out, suppressed, invalid = (tmp_path / name for name in ("out", "suppressed", "invalid"))

    code = main(["scrub", str(tmp_path / "list.csv"), "--column", "mail", *results(out, suppressed, invalid)])

    assert code == 0
    assert out.read_bytes() == records[0] + records[1] + records[5] + b"\n"
    assert suppressed.read_bytes() == records[0].rstrip() + b",cause,scope\n" + b'"G, one",gone@example.com,,hard,*\n'
    assert invalid.read_bytes().splitlines()[1].startswith(b"short,not an address")


@pytest.mark.usefixtures("store")
def test_lists_with_other_columns_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {"one": "name,mail\n", "same": "name,mail\nA,a@example.com\n", "other": "mail,name\n"}.items():
        (tmp_path / name).write_text(content)
    out = tmp_path / "out"

    assert main(["scrub", str(tmp_path / "one"), str(tmp_path / "same"), "--column", "mail", "--output", str(out)]) == 0
    assert out.read_text() == "name,mail\nA,a@example.com\n"
    assert main(["scrub", str(tmp_path / "one"), str(tmp_path / "other"), "--column", "mail", "--output", str(out)]) == 1
    assert "different columns" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_csv_without_an_end_of_line_is_refused_before_it_fills_the_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_bytes(b"mail\n" + b"x" * (SCRUB_LINE_BYTES_MAX + 1))

    assert main(["scrub", str(tmp_path / "list.csv"), "--column", "mail", "--output", str(tmp_path / "out")]) == 1
    assert "no CSV" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_the_byte_order_mark_of_each_list_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbfa@example.com\n")

    assert main(["scrub", *[str(tmp_path / "list")] * 2, "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes() == b"\xef\xbb\xbfa@example.com\n" * 2


@pytest.mark.usefixtures("store")
def test_one_file_for_two_results_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list").write_text("a@example.com\n")
    out = str(tmp_path / "out")

    assert main(["scrub", str(tmp_path / "list"), "--output", out, "--suppressed", out]) == 1
    assert "named twice" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_result_that_can_not_be_written_is_named_as_it_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list").write_text("a@example.com\n")

    assert main(["scrub", str(tmp_path / "list"), "--output", str(tmp_path / "no" / "out")]) == 1
    assert f"{tmp_path / 'no' / 'out'} can not be written" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_a_command_that_is_ended_leaves_no_half_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_text("a@example.com\n")
    monkeypatch.setattr(Results, "take", lambda *_: os.kill(os.getpid(), signal.SIGTERM))

    with pytest.raises(SystemExit):
        main(["scrub", str(tmp_path / "list"), "--output", str(tmp_path / "out")])

    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "list"]


@pytest.mark.parametrize("words", [["scrub", "list"], ["index", "show"], ["index", "verify"]])
def test_a_question_makes_no_new_installation(
    tmp_path: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_text("a@example.com\n")

    assert main([*words, "--data", str(tmp_path / "mistyped")]) == 1
    assert "no list" in capsys.readouterr().err
    assert not (tmp_path / "mistyped").exists()


def test_whoever_interrupts_a_command_while_it_is_loaded_sees_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nullsender.cli.import_module", interrupted)

    assert main(["scrub", "list"]) == 130


def test_neither_words_about_the_table_nor_a_mistake_load_the_compiler(tmp_path: Path) -> None:
    words = [["index", "show", "--data", str(tmp_path / "none")], ["scrub", "none", "--data", str(tmp_path / "none")]]
    code = f"import sys; from nullsender.cli import main; print([main(it) for it in {words}], 'numba' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert done.stdout.split("\n")[0] == "[1, 1] False", done.stderr


def test_a_scrub_beside_a_fresh_table_loads_nothing_that_speaks_sql() -> None:
    code = "import sys, nullsender.cli.scrub, nullsender.cli.scrubbing.following; print('sqlalchemy' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


@pytest.mark.usefixtures("store")
def test_a_column_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text("name,mail\nAda,a@example.com\n")

    assert main(["scrub", str(tmp_path / "list.csv"), "--column", "email", "--output", str(tmp_path / "out")]) == 1

    assert "no column 'email'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("store")
def test_records_of_json_are_scrubbed(tmp_path: Path) -> None:
    (tmp_path / "list").write_text('{"address": "gone@example.com"}\n{"address": "a@example.com", "n": 1}\n"b@example.com"\n')

    assert main(["scrub", str(tmp_path / "list"), "--ndjson", "--output", str(tmp_path / "out")]) == 0

    assert (tmp_path / "out").read_text() == '{"address": "a@example.com", "n": 1}\n"b@example.com"\n'


@pytest.mark.usefixtures("store")
def test_a_list_that_is_not_there_changes_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.write_text("as it was")
    (tmp_path / "list").write_text("a@example.com\n")

    assert main(["scrub", str(tmp_path / "list"), str(tmp_path / "missing"), "--output", str(out)]) == 1

    assert "missing" in capsys.readouterr().err
    assert out.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.usefixtures("store")
def test_a_result_may_go_to_a_device(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a@example.com\n")

    assert main(["scrub", str(tmp_path / "list"), "--output", os.devnull]) == 0

    assert not Path(os.devnull).is_file()


def test_the_table_of_a_running_follower_is_used(tmp_path: Path, settings: Settings, store: Store) -> None:
    (tmp_path / "list").write_text("a@example.com\ngone@example.com\n")
    stopping = threading.Event()
    follower = threading.Thread(target=follow, args=(store, settings.index_folder, CLOCK, stopping.is_set))
    follower.start()
    try:
        wait_for(lambda: lock_path(settings.index_folder).exists(), what="the follower's lock")
        assert main(["scrub", str(tmp_path / "list"), "--output", str(tmp_path / "out")]) == 0
    finally:
        stopping.set()
        follower.join()

    assert (tmp_path / "out").read_text() == "a@example.com\n"


def test_without_a_follower_that_lives_the_list_itself_is_asked(
    tmp_path: Path, settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list").write_text("a@example.com\ngone@example.com\n")
    monkeypatch.setattr("nullsender.cli.scrubbing.following.SCRUB_FRESH_SECONDS_MAX", 0.01)
    settings.index_folder.mkdir(parents=True)
    with locked(lock_path(settings.index_folder)) or pytest.fail("nobody else has it"):
        assert main(["scrub", str(tmp_path / "list"), "--output", str(tmp_path / "out")]) == 0

    assert (tmp_path / "out").read_text() == "a@example.com\n"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("words", [["--stream", "acme/"], ["--stream", "two words"], ["--ndjson", "--column", "mail"]])
def test_a_question_that_makes_no_sense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scrub", "list", *words]) == 1

    assert capsys.readouterr().err.startswith("nullsender: ")


def test_each_tenant_has_its_own_list(tmp_path: Path, store: Store) -> None:
    suppress(store, "theirs@example.com", tenant="acme")
    (tmp_path / "list").write_text("theirs@example.com\ngone@example.com\n")

    assert main(["scrub", str(tmp_path / "list"), "--stream", "acme/*", "--output", str(tmp_path / "out")]) == 0

    assert (tmp_path / "out").read_text() == "gone@example.com\n"
