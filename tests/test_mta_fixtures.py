"""The collected bounces: every file says where it came from, and is as an MTA sent it."""

from __future__ import annotations

from pathlib import Path

import pytest

MAIL = Path(__file__).resolve().parents[1] / "fixtures" / "mail"
MTAS = ("postfix", "exim", "opensmtpd", "sendmail", "courier")
COLLECTED = [path for mta in MTAS for path in sorted((MAIL / mta).glob("*.eml"))]


def test_something_is_collected() -> None:
    """Postfix's bounces at least are there, so that the tests below test something."""
    assert any(path.parent.name == "postfix" for path in COLLECTED)


@pytest.mark.parametrize("path", COLLECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_has_provenance(path: Path) -> None:
    """A collected bounce stands in its folder's PROVENANCE.md, with what was sent and what was answered."""
    rows = (path.parent / "PROVENANCE.md").read_text().splitlines()

    assert sum(row.startswith(f"| `{path.name}` |") for row in rows) == 1


@pytest.mark.parametrize("path", COLLECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_is_as_it_came_over_smtp(path: Path) -> None:
    """A collected bounce keeps its CRLF line ends and is addressed to the case that caused it."""
    raw = path.read_bytes()

    assert raw.count(b"\n") == raw.count(b"\r\n") > 0
    assert f"bounces+{path.stem}@bounces.example.com".encode() in raw


@pytest.mark.parametrize("folder", [path for mta in MTAS if (path := MAIL / mta).is_dir()], ids=lambda path: path.name)
def test_provenance_names_no_file_that_is_not_there(folder: Path) -> None:
    """What PROVENANCE.md lists is there."""
    rows = (folder / "PROVENANCE.md").read_text().splitlines()
    named = {row.split("`")[1] for row in rows if row.startswith("| `")}

    assert named == {path.name for path in folder.glob("*.eml")}
