"""The command `nullsender` in odd surroundings: a sentence and an exit code, never a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nullsender.cli import main

FIXTURES = Path(__file__).parent.parent / "fixtures" / "mail"
UTF8_BOUNCE = FIXTURES / "postfix" / "smtputf8-recipient.eml"
COMMAND = [sys.executable, "-m", "nullsender.cli"]


def run(*words: str, data: Path, shell_tail: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command through a shell, which may end its line with redirections."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("NULLSENDER_")}
    return subprocess.run(
        ["bash", "-c", f'"$@" {shell_tail}', "bash", *COMMAND, *words],
        env=given | {"NULLSENDER_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "shell_tail", "code"),
    [
        (["explain", str(UTF8_BOUNCE)], "<&-", 0),
        (["reply"], "<&-", 0),
        (["explain", "-"], "</dev/null", 0),
        (["explain", str(UTF8_BOUNCE)], ">/dev/full", 1),
        (["explain", *[str(UTF8_BOUNCE)] * 500], "| head -1; exit ${PIPESTATUS[0]}", 0),
        (["explain", "/there/is/no/such.eml"], "", 2),
        (["explain", "/"], "", 2),
        (["keys", "create", "x", "--days", "99999999999"], "", 2),
        (["keys", "create", "x", "--days", "0"], "", 2),
        (["keys", "create", "x", "--tenant", ""], "", 1),
        (["keys", "create", "x", "--rate", "0"], "", 2),
        (["keys", "create", "x", "--from", "10.0.0.1/8"], "", 2),
        (["keys", "rotate", "nonsense", "--hours", "-1"], "", 2),
        (["keys", "rotate", "nonsense"], "", 1),
        (["return-path", "no address"], "", 1),
        (["dead-letters", "show", "nonsense"], "", 1),
        (["doctor", "--config", "/there/is/no/such.toml"], "", 3),
        (["api", "--http", "nowhere"], "", 3),
        (["nonsense"], "", 2),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else str(value),
)
def test_odd_surroundings_are_told_in_a_sentence(tmp_path: Path, words: list[str], shell_tail: str, code: int) -> None:
    done = run(*words, data=tmp_path, shell_tail=shell_tail)

    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr
    assert code == 0 or done.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])

    assert end.value.code == 0
    assert re.fullmatch(r"nullsender \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_terminal_without_the_letters_of_a_name_shows_their_numbers(tmp_path: Path) -> None:
    done = run("explain", str(UTF8_BOUNCE), data=tmp_path, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert "\\u" in done.stdout or "\\x" in done.stdout


def test_a_certificate_that_is_none_is_told_before_anything_starts(tmp_path: Path) -> None:
    no_certificate = tmp_path / "none.pem"
    no_certificate.write_text("this is no certificate\n")

    done = run(
        "up",
        "--smtp",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        data=tmp_path / "data",
        NULLSENDER_MX_TLS_CERTIFICATE=str(no_certificate),
        NULLSENDER_MX_TLS_KEY=str(no_certificate),
    )

    assert done.returncode == 3
    assert "do not work together" in done.stderr
    assert "started" not in done.stderr


def test_doctor_warns_of_a_key_that_can_be_guessed(tmp_path: Path) -> None:
    done = run("doctor", data=tmp_path, NULLSENDER_BOOTSTRAP_KEY="short")

    assert done.returncode == 3
    assert "choose a longer one" in done.stdout


@pytest.mark.parametrize("words", [("rules", "--data", "{}", "unknown"), ("rules", "unknown", "--data", "{}")])
def test_the_data_folder_is_named_before_a_commands_action_or_behind_it(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    named = tmp_path / "named"

    assert main([word.format(named) for word in words]) == 1
    assert f"there is no log in {named} yet" in capsys.readouterr().err
