"""`nullsender export`, as its user meets it: a file and its manifest, or a sentence that says what to do."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nullsender.cli import EXIT_INTERRUPTED, main
from nullsender.cli.exporting.state import Steps
from suppression.exports import running

WHY = ("--purpose", "yearly audit", "--recipient", "Jane Doe")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An installation with five people on its list."""
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(running, "EXPORT_PART_ROWS", 2)
    assert main(["migrate"]) == 0
    from nullsender import config
    from nullsender.cli import store_parts

    store = store_parts.open_store(config.load())
    for number in range(5):
        store.add("default", f"u{number}@example.com", scope="*", cause="hard", reason="a test", expires=None, actor="olga")
    capsys.readouterr()
    return tmp_path


def export(target: Path, *words: str, why: Sequence[str] = WHY) -> int:
    """Run the command; its exit code."""
    return main(["export", "-o", str(target), *why, *words])


def test_a_file_is_made_and_checked(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = data / "list.csv"

    assert export(target) == 0
    assert "5 rows" in capsys.readouterr().out
    assert main(["export", "verify", f"{target}.manifest.json"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert {path.name for path in data.iterdir()} == {"data", "list.csv", "list.csv.manifest.json"}


def test_others_check_it_with_the_public_key(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target, key = data / "list.csv", data / "key.pem"
    assert export(target, "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"]["rows"] == 5
    assert main(["export", "public-key"]) == 0
    key.write_text(capsys.readouterr().out)
    elsewhere = ["--data", str(data / "elsewhere")]

    assert main(["export", "verify", f"{target}.manifest.json", "--key", str(key), *elsewhere]) == 0
    assert main(["export", "verify", f"{target}.manifest.json", *elsewhere]) == 1
    target.write_bytes(target.read_bytes().replace(b"u1@", b"u2@"))
    assert main(["export", "verify", f"{target}.manifest.json"]) == 1
    assert "was changed" in capsys.readouterr().err


@pytest.mark.parametrize("again", [(), ("--resume",)])
def test_what_was_interrupted_goes_on_with_the_same_command_or_with_resume(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, again: Sequence[str]
) -> None:
    target, kept = data / "list.csv", Steps.checkpoint

    def interrupted(self: Steps, cursor: str, *, done: int, total: int | None) -> None:
        kept(self, cursor, done=done, total=total)
        if done == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Steps, "checkpoint", interrupted)
        assert export(target) == EXIT_INTERRUPTED
    assert "--resume" in capsys.readouterr().err
    assert not target.exists()
    assert export(target, "--cause", "soft") == 1  # another one, over it
    assert "another export into" in capsys.readouterr().err

    assert export(target, *again, why=() if again else WHY) == 0

    assert target.read_bytes().count(b"\r\n") == 6
    assert main(["audit", "list", "--kind", "export-requested"]) == 0
    assert capsys.readouterr().out.count("yearly audit") == 1


def test_what_was_complete_when_it_was_interrupted_is_told_once_and_not_made_again(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = data / "list.csv"
    state, unlink = target.with_name("list.csv.part.json"), Path.unlink

    def dies(path: Path, missing_ok: bool = False) -> None:
        if path == state:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", dies)
        assert export(target) == EXIT_INTERRUPTED
    manifest = target.with_name("list.csv.manifest.json").read_bytes()

    assert export(target, "--resume", why=()) == 0

    assert target.with_name("list.csv.manifest.json").read_bytes() == manifest
    assert {path.name for path in data.iterdir()} == {"data", "list.csv", "list.csv.manifest.json"}
    capsys.readouterr()
    assert main(["audit", "list", "--kind", "export"]) == 0
    assert capsys.readouterr().out.count("yearly audit") == 1


def test_nothing_is_written_over(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = data / "list.csv"
    target.write_text("mine")

    assert export(target) == 1

    assert "is there already" in capsys.readouterr().err
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["export", *WHY], "say with -o"),
        (["export", "-o", "list.csv"], "`--purpose` is missing"),
        (["export", "-o", "list.csv", "--resume"], "no export into"),
        (["export", "-o", "list.csv", *WHY, "--from", "2999-01-01"], "begins in the future"),
        (["export", "-o", "nowhere/list.csv", *WHY], "there is no folder"),
        (["export", "verify", "nothing.json"], "can not be read"),
    ],
)
def test_a_mistake_is_said_in_a_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: Sequence[str], says: str
) -> None:
    monkeypatch.chdir(data)

    assert main(words) == 1

    assert says in capsys.readouterr().err
    assert {path.name for path in data.iterdir()} == {"data"}
