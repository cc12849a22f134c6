"""What deploy/ says agrees with the code: commands that exist, settings that are known, every role in its place.

No container engine and no service manager runs here: the files are read, and systemd itself checks its own where it is there.
"""

import os
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from nullsender import config
from nullsender.cli import COMMANDS, EXIT_MISCONFIGURED
from nullsender.cli.up import ROLES
from nullsender.limits import STOP_SECONDS_MAX

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMMON = DEPLOY / "systemd" / "nullsender-.service.d" / "common.conf"
COMPOSE = (DEPLOY / "compose.yaml").read_text()


def services() -> dict[str, str]:
    """The text of each service of the compose file."""
    below = COMPOSE.split("\nservices:\n")[1].split("\nvolumes:\n")[0]
    return dict(re.findall(r"^  (\w+):.*\n((?:    .*\n|\n)+)", below + "\n", re.MULTILINE))


def section(file: Path, name: str) -> dict[str, str]:
    """One section of a unit. A setting that stands there twice has its last value."""
    unit = RawConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(file.read_text())
    return dict(unit[name])


def seconds(text: str) -> float:
    """How long a time of theirs is that is written in seconds."""
    return float(text.removesuffix("s"))


def test_every_role_is_a_service_of_its_own_that_is_limited_and_asked_how_it_is() -> None:
    ours = {name: text for name, text in services().items() if "<<: *role" in text}

    assert set(ours) == {*ROLES, "migrate"}
    for role in ROLES:
        assert re.search(rf"^    command: \[{role}\]$", ours[role], re.MULTILINE)
        assert f"test: [CMD, nullsender, health, {role}]" in ours[role]
    assert {"mem_limit", "cpus", "restart"} <= set(re.findall(r"^  (\w+):", COMPOSE.split("\nservices:\n")[0], re.MULTILINE))
    assert all("healthcheck" in text and "mem_limit" in text for name, text in services().items() if name not in ours)


def test_a_container_is_not_killed_before_its_role_has_had_its_time_to_stop() -> None:
    grace = re.search(r"stop_grace_period: (\w+)", COMPOSE)

    assert grace is not None
    assert seconds(grace[1]) > STOP_SECONDS_MAX


@pytest.mark.parametrize("file", ["compose.yaml", "systemd/environment.example"])
def test_every_setting_that_is_made_is_one(file: str) -> None:
    named = set(re.findall(r"^\s*(NULLSENDER_\w+)[:=]", (DEPLOY / file).read_text(), re.MULTILINE))

    assert "NULLSENDER_STORE_URL" in named
    assert not config.unknown_variables(dict.fromkeys(named, ""))


def test_what_the_compose_file_asks_the_operator_for_is_in_its_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE))
    shown = set(re.findall(r"^(\w+)=", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE))

    assert asked == shown


def test_every_role_is_a_unit_of_its_own_that_the_target_starts() -> None:
    started = {section(unit, "Service")["ExecStart"].split()[-1]: unit for unit in UNITS}

    assert set(started) == {*ROLES, "migrate"}
    assert set(started) <= set(COMMANDS)
    for unit in UNITS:
        assert section(unit, "Install")["WantedBy"] == "nullsender.target"
        assert "MemoryMax" in section(unit, "Service")


def test_a_unit_is_left_alone_when_the_operator_has_something_to_change_and_given_its_time_to_stop() -> None:
    common = section(COMMON, "Service")

    assert common["Restart"] == "on-failure"
    assert int(common["RestartPreventExitStatus"]) == EXIT_MISCONFIGURED
    assert seconds(common["TimeoutStopSec"]) > STOP_SECONDS_MAX


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze that would check the units")
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    units = tmp_path / "units"
    shutil.copytree(DEPLOY / "systemd", units, ignore=shutil.ignore_patterns("environment.example"))
    for unit in units.glob("*.service"):  # it asks whether the command is there
        unit.write_text(unit.read_text().replace("/opt/nullsender/.venv/bin/nullsender", sys.executable))
        if "@" in unit.name:
            unit.rename(unit.with_name(unit.name.replace("@", "@1")))
    names = [unit.name for unit in units.iterdir() if unit.is_file()]

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"},
        cwd=units,
        capture_output=True,
        text=True,
    )

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_the_image_gets_every_package_and_all_that_its_making_names() -> None:
    let_in = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    packages = [folder.parent.name for folder in ROOT.glob("*/__init__.py") if folder.parent.name not in ("tests", "bench")]

    assert set(packages) <= set(let_in)
    assert all((ROOT / path).exists() for path in let_in)


def test_the_kafka_of_the_compose_file_is_the_one_that_is_tested() -> None:
    tested = re.search(r"<kafka.version>(.+)</kafka.version>", (ROOT / "setup" / "kafka.pom.xml").read_text())

    assert tested is not None
    assert f"image: apache/kafka:{tested[1]}\n" in COMPOSE
