"""setup/postgres-server: one PostgreSQL of Debian's own binaries."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.servers.postgres import Postgres
from tests.waiting import wait_for

_SERVER = Path(__file__).resolve().parents[1] / "setup/postgres-server"

pytestmark = [pytest.mark.xdist_group("postgresql"), pytest.mark.usefixtures("postgres")]


def test_a_first_start_that_was_killed_while_it_made_the_data_is_made_up_for_by_the_next() -> None:
    with tempfile.TemporaryDirectory(prefix="ns-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "log").open("wb") as log:
            first = subprocess.Popen([_SERVER, folder], stdin=subprocess.DEVNULL, stderr=log, start_new_session=True)
        try:
            wait_for(lambda: list(folder.glob("*/PG_VERSION")), what="initdb to have begun")
        finally:
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
        assert not list(folder.glob("*/postmaster.pid")), "it had served already"

        server = Postgres(folder, {"fsync": "off"}, None)
        server.start()
        try:
            server.execute("SELECT 1")
        finally:
            server.stop()
