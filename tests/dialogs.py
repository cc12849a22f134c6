"""Plays an SMTP dialog from a script that a postmaster can read.

# Anything after a hash at the start of a line is for the reader.
With: refusals_max 3         a setting of the MX for this dialog
C: RCPT TO:<x@example.com>   the client says a line; several in a row go out at once
C\\ NOOP\\n                    the client sends this and nothing behind it, escapes as in Python
S: 250 2.1.5 *               the server says one line; * stands for anything
TLS                          the client starts TLS
That is all                  the client has no more to say (it still listens)
Gone                         the server has closed the connection
"""

import socket
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from tests.mx import Client

FOLDER = Path(__file__).parent.parent / "fixtures" / "dialogs"


class Step(msgspec.Struct, frozen=True):
    """One line of a script: where it stands, which kind it is, and the rest of it."""

    number: int
    kind: str
    text: str


def scripts() -> list[Path]:
    """Every dialog there is."""
    return sorted(FOLDER.glob("*.txt"))


def steps(script: Path) -> Iterator[Step]:
    """What is to be done, in order."""
    for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            known = next((kind for kind in ("With: ", "C: ", "C\\ ", "S: ") if line.startswith(kind)), line)
            yield Step(number, known.strip(), line.removeprefix(known))


def settings_of(script: Path) -> dict[str, Any]:
    """What the dialog wants the MX to be set to."""
    pairs = (step.text.split() for step in steps(script) if step.kind == "With:")
    return {name: float(value) if "seconds" in name else int(value) for name, value in pairs}


def play(script: Path, client: Client) -> None:
    """Say and expect what the script says; an `AssertionError` names the line that was not so."""
    unsent = b""
    for step in steps(script):
        if step.kind == "C:":
            unsent += step.text.encode() + b"\r\n"
        elif step.kind == "C\\":
            unsent += step.text.encode("latin-1").decode("unicode_escape").encode("latin-1")
        else:
            if unsent:
                client.send(unsent)
                unsent = b""
            _do(step, client, f"{script.name}:{step.number}")


def _do(step: Step, client: Client, place: str) -> None:
    match step.kind:
        case "S:":
            line = client.line()
            assert fnmatchcase(line, step.text.replace("[", "[[]")), f"{place}: expected {step.text!r}, heard {line!r}"
        case "TLS":
            client.start_tls()
        case "That is all":
            client.connection.shutdown(socket.SHUT_WR)
        case "Gone":
            heard = client.line()
            assert heard == "", f"{place}: expected the end of the connection, heard {heard!r}"
        case "With:":
            pass
        case other:
            raise AssertionError(f"{place}: {other!r} is no step of a dialog")
