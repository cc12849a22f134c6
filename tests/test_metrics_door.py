"""Where a role shows its numbers; `test_health.py` has the one that stands alone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from nullsender.cli.running.beats import living
from tests.waiting import wait_for


def test_a_role_whose_numbers_the_api_shows_needs_no_port_for_them(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = f"127.0.0.1:{somebody.getsockname()[1]}"
        environment = os.environ | {"NULLSENDER_DATA": str(tmp_path), "NULLSENDER_METRICS": taken}
        command = [sys.executable, "-m", "nullsender.cli", "classify", "--supervised"]
        role = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

        def is_at_work() -> bool:
            assert role.poll() is None, role.communicate()
            return any(beat.ready for beat in living(tmp_path / "health"))

        try:
            wait_for(is_at_work, what="the role to be at work", seconds=60)
        finally:
            role.terminate()
            _, said = role.communicate(timeout=30)

    assert role.returncode == 0, said
