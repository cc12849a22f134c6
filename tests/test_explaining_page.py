"""The sessions of docs/explaining.md are what the commands print today, and the README has the words of their objects."""

import io
import re
import shlex
import sys
from enum import StrEnum
from pathlib import Path

import pytest

from nullsender import secret_keys
from nullsender.cli import main
from nullsender.events import Fault, Kind, Proof, Result

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explaining.md"
SESSIONS = re.findall(r"```text\n\$ (.*)\n((?:.*\n)*?)```\n", PAGE.read_text())


@pytest.mark.parametrize(("command", "printed"), SESSIONS, ids=[command for command, _ in SESSIONS])
def test_a_session_of_the_page_is_what_the_command_prints(
    command: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret_keys.load_or_make(tmp_path / "secret-keys.json")
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.chdir(ROOT)
    before, bar, after = command.rpartition(" | ")
    typed = f"{shlex.split(before)[1]}\n" if bar else ""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))

    assert main(shlex.split(after)[1:]) == 0
    assert capsys.readouterr().out.strip() == printed.strip()


@pytest.mark.parametrize(("field", "words"), [("kind", Kind), ("outcome", Result), ("fault", Fault), ("proof", Proof)])
def test_the_readme_promises_the_words_of_an_object_and_no_others(field: str, words: type[StrEnum]) -> None:
    (promised,) = re.findall(rf'`explain --json` prints .*?"{field}": "([a-z|-]+)"', (ROOT / "README.md").read_text())

    assert set(promised.split("|")) == set(words)
