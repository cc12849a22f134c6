"""What real mail servers ask in the tests, and where their mail goes: one running system for all files that need no own.

It takes seconds to start, so it lasts for the session; who uses it stands in the group `mail-servers`, on one worker.
"""

from collections.abc import Iterator

import pytest

from tests.mtas.refusing_server import RefusingServer
from tests.system import System


@pytest.fixture(scope="session")
def asked_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`nullsender up`, the MX of bounces.example.com; an address on the list, and one that left the stream marketing."""
    settings = {"NULLSENDER_DOMAINS": "bounces.example.com"}
    with System(tmp_path_factory.mktemp("asked") / "data", settings=settings) as running:
        suppress(running, "suppressed@example.net")
        suppress(running, "unsubscribed@example.net", scope="marketing")
        yield running


def suppress(system: System, address: str, scope: str = "*") -> None:
    """Put an address on the list and return when lookups say so."""
    entry = {"cause": "manual", "reason": "a try"}
    answer = system.http.put(f"/v1/suppressions/{address}", params={"scope": scope}, json=entry)
    assert answer.status_code == 201, answer.text
    system.wait_until_suppressed(address, stream=None if scope == "*" else scope)


@pytest.fixture(scope="session")
def destination() -> Iterator[RefusingServer]:
    """Where mail goes that is for example.net."""
    with RefusingServer() as server:
        yield server
