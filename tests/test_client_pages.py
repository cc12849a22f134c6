"""The pages for those who ask over HTTP do what they say: their commands and programs are run as they are printed."""

import contextlib
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.batch import loading
from nullsender.client import Client
from tests.client_providers import PROVIDERS, Provider
from tests.missing import give_up
from tests.test_api_served import Served, opened_served

DOCS = Path(__file__).parent.parent / "docs"
SESSION = re.compile(r"```text\n(\$ .*?)```\n", re.DOTALL)
LISTED = re.compile(r"`(GET|POST|PUT|DELETE) (/[^`]+)`")
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    loading.load()  # where the loops are not compiled yet, this takes longer than a client waits
    with opened_served(tmp_path_factory.mktemp("served")) as served:
        yield served


def environment_of(served: Served) -> dict[str, str]:
    """What the pages ask their reader to set."""
    return os.environ | {
        "API": f"http://127.0.0.1:{served.port}",
        "NULLSENDER_URL": f"http://127.0.0.1:{served.port}",
        "NULLSENDER_KEY": served.key,
        "NULLSENDER_RETRY_SECONDS": "0",
        "KEY": served.key,
        "AUTH": f"Authorization: Bearer {served.key}",
        "JSON": "Content-Type: application/json",
    }


def assert_is_as_printed(said: str, printed: str) -> None:
    """`…` stands for anything on one line, and white space says nothing in JSON."""
    pattern = re.escape("".join(printed.split())).replace("…", ".*")
    assert re.fullmatch(pattern, "".join(said.split())), f"printed:\n{printed}\nsaid:\n{said}"


def run(command: str, served: Served, folder: Path) -> str:
    """What a command prints."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment_of(served),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, (command, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def curl() -> None:
    if shutil.which("curl") is None and subprocess.run([DOCS.parent / "setup" / "packages", "curl"], check=False).returncode:
        give_up("there is no curl")


@pytest.mark.usefixtures("curl")
def test_every_command_of_the_curl_page_is_answered_as_it_is_printed(served: Served, tmp_path: Path) -> None:
    commands = [found for session in SESSION.findall((DOCS / "curl.md").read_text()) for found in COMMAND.findall(session)]
    assert len(commands) > 15
    for command, printed in commands:
        assert_is_as_printed(run(command, served, tmp_path), printed)


def test_the_curl_page_has_every_call_of_the_api(served: Served) -> None:
    page = (DOCS / "curl.md").read_text()
    with served.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    shown = set()
    for command, _ in COMMAND.findall(page):
        explicit = re.search(r"-X (\w+)", command)
        method = explicit[1].lower() if explicit else "post" if re.search(r" (-d|--json|-T|--data-binary) ", command) else "get"
        shown.add((method, re.sub(r"[?\"].*", "", command.partition("$API")[2])))
    shown |= {(method.lower(), path) for method, path in LISTED.findall(page)}

    missing = {
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if not any(method == said and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), target) for said, target in shown)
    }
    assert not missing


# --- the client's own page -----------------------------------------------------------------------------------------------


def test_the_sessions_of_the_clients_page_are_what_python_prints(
    filled: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"API": f"http://127.0.0.1:{filled.port}", "KEY": filled.key}
    page = re.sub(r"^```.*", "", (DOCS / "client.md").read_text(), flags=re.MULTILINE)
    session = doctest.DocTestParser().get_doctest(page, names, "client.md", "client.md", 0)

    failed, tried = doctest.DocTestRunner().run(session, clear_globs=False)

    for value in session.globs.values():
        if isinstance(value, Client):
            value.close()
    assert tried > 15
    assert not failed, capsys.readouterr().out


# --- docs/integrations: senders through somebody's API -------------------------------------------------------------------

PROGRAM = re.compile(r"```python (\w+\.py)\n(.*?)```\n", re.DOTALL)


def page_of(kind: type[Provider]) -> str:
    return (DOCS / "integrations" / f"{kind.name}.md").read_text()


@pytest.fixture(scope="module")
def filled(served: Served) -> Served:
    """A list with the addresses that the pages call gone."""
    with Client(f"http://127.0.0.1:{served.port}", served.key) as client:
        for address in ("gone@example.net", "gone@example.com"):
            client.suppress(address, "hard", "a test")
    return served


class Desk:
    """Where a reader of a page sits: the program is saved, the settings are made, commands are typed."""

    def __init__(self, page: str, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        ((self.name, self.program),) = PROGRAM.findall(page)
        self.folder = folder
        self._patch = patch
        self._capture = capture
        patch.chdir(folder)

    def type(self, command: str, served: Served) -> str:
        """What a command prints; Python runs in this process, because starting it takes longer than all else."""
        *settings, first = re.split(r"^(\w+=\S+) ", command)
        words = shlex.split(first)
        if words[:2] != ["python", self.name]:
            return run(command, served, self.folder)
        with self._patch.context() as patch:
            for setting in filter(None, settings):
                patch.setenv(*setting.split("=", 1))
            patch.setattr(sys, "argv", words[1:])
            with contextlib.suppress(SystemExit):
                self.started("__main__")
        return self._capture.readouterr().out

    def started(self, name: str) -> dict[str, object]:
        """The names of the program, when it has run and its connections are closed."""
        names: dict[str, object] = {"__name__": name}
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [value.close() for value in names.values() if isinstance(value, Client | httpx.Client)])
            exec(compile(self.program, self.name, "exec"), names)
        return names


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.usefixtures("curl")
def test_the_program_of_a_page_asks_sends_and_pulls_as_the_page_says(
    kind: type[Provider],
    filled: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page, provider = page_of(kind), kind()
    desk = Desk(page, tmp_path, monkeypatch, capsys)
    with provider.serving() as url:
        for name, value in {**environment_of(filled), **kind.settings, f"{kind.name.upper()}_URL": url}.items():
            monkeypatch.setenv(name, value)
        for session in SESSION.findall(page):
            for command, printed in COMMAND.findall(session):
                assert_is_as_printed(desk.type(command, filled), printed)

    assert provider.sent == ["new@example.net"]
    with Client(f"http://127.0.0.1:{filled.port}", filled.key) as client:
        for address, (cause, scope) in kind.wanted.pulled.items():
            assert [(entry.cause, entry.scope) for entry in client.show(address)] == [(cause, scope)], address


def test_requests_to_ses_are_signed_as_amazon_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The two examples of AWS's test suite for Signature Version 4 that are like our calls."""
    (kind,) = (kind for kind in PROVIDERS if kind.name == "ses")
    for name, value in {
        **kind.settings,
        "AWS_REGION": "us-east-1",
        "NULLSENDER_URL": "http://x.test",
        "NULLSENDER_KEY": "k",
    }.items():
        monkeypatch.setenv(name, value)
    names = Desk(page_of(kind), tmp_path, monkeypatch, capsys).started("ses")
    signature = names["Signature"]("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "service")  # type: ignore[operator]
    for query, signed in (
        ("", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ):
        request = httpx.Request("GET", f"https://example.amazonaws.com/{query}")
        signature.sign(request, "20150830T123600Z")
        assert request.headers["Authorization"].endswith(f"Signature={signed}")
