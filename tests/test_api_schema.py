"""The API does what its description says: schemathesis asks a real server what the description allows, and what it forbids."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_api_served import HOST, Served, opened_served

SECONDS_MAX = 300.0
OPTIONS = [
    *("--checks", "all", "--continue-on-failure", "--no-color"),
    *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--generation-deterministic", "--max-time", "60"),
    *("--request-retries", "1"),  # a kept connection may be closed just when it is used again
]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with opened_served(tmp_path) as served:
        yield served


def test_schemathesis_finds_nothing(served: Served, tmp_path: Path) -> None:
    program, configuration = Path(sys.executable).with_name("schemathesis"), Path(__file__).with_name("schemathesis.toml")
    address = f"http://{HOST}:{served.port}/openapi.json"
    tried = subprocess.run(
        [program, "--config-file", configuration, "run", address, *OPTIONS, "-H", f"Authorization: Bearer {served.key}"],
        cwd=tmp_path,  # it keeps what it found beside itself
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
