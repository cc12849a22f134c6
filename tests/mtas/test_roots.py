"""What is fetched is fetched again when the network has a bad minute, and when it stays away somebody is told what to do."""

from __future__ import annotations

import subprocess

import pytest

from tests.mtas import roots
from tests.mtas.roots import RootUnavailable, fetched


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "ATTEMPT_PAUSE_SECONDS", 0.0)


def test_what_fails_for_a_moment_is_tried_again() -> None:
    tries: list[bool] = []

    def fetch(again: bool) -> str:
        tries.append(again)
        subprocess.run(["test", str(len(tries)), "=", "3"], check=True)
        return "here it is"

    assert fetched("a package", fetch) == "here it is"
    assert tries == [False, True, True]


def test_what_goes_on_failing_says_what_was_said_and_what_to_do() -> None:
    def fetch(_again: bool) -> None:
        subprocess.run(["sh", "-c", "echo no such host >&2; exit 1"], check=True, capture_output=True)

    with pytest.raises(RootUnavailable, match=r"(?s)a package .*no such host\n.*bring the folder .*Look at the mirror\."):
        fetched("a package", fetch, remedy="Look at the mirror.")


def test_what_never_ends_is_a_failure_too() -> None:
    def fetch(_again: bool) -> None:
        subprocess.run(["sleep", "10"], check=True, timeout=0.01)

    with pytest.raises(RootUnavailable, match="timed out"):
        fetched("a package", fetch)
