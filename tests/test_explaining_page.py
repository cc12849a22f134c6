"""The sessions of docs/explaining.md are what the commands print today."""

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from nullsender import secret_keys
from nullsender.cli import main

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
