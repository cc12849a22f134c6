"""What deploy/ says agrees with the code: commands that exist, settings that are known, every role in its place.

No container engine and no service manager runs here: the files are read, and systemd and Docker's client check their own where
they are there.
"""

import os
import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from nullsender import config
from nullsender.cli import COMMANDS
from nullsender.cli.up import ROLES
from nullsender.limits import STOP_SECONDS_MAX

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMMON = DEPLOY / "systemd" / "nullsender-.service.d" / "common.conf"
COMPOSE_FILE = DEPLOY / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "nullsender"}
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def section(file: Path, name: str) -> dict[str, str]:
    """One section of a unit. A setting that stands there twice has its last value."""
    unit = RawConfigParser(strict=False, interpolation=None, comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(file.read_text())
    return dict(unit[name])


def set_in(unit: Path) -> dict[str, str]:
    """What a unit sets for its own process alone."""
    pairs = re.findall(r"^Environment=(\w+)=(.+)$", unit.read_text(), re.MULTILINE)
    return dict(pairs)


def seconds(text: str) -> float:
    """How long a time of theirs is that is written in seconds."""
    return float(text.removesuffix("s"))


def test_every_setting_that_is_made_is_one() -> None:
    example = (DEPLOY / "systemd" / "environment.example").read_text()
    of_units = {*re.findall(r"^(\w+)=", example, re.MULTILINE), *(name for unit in UNITS for name in set_in(unit))}

    for named in (of_units, *(set(service["environment"]) for service in OURS.values())):
        assert "NULLSENDER_STORE_URL_FILE" in named
        assert not config.unknown_variables(dict.fromkeys(named, ""))


# --- containers ---------------------------------------------------------------------------------------------------------


def test_every_role_is_a_service_of_its_own_that_is_limited_and_asked_how_it_is() -> None:
    assert set(OURS) == {*ROLES, "migrate"}
    for role in ROLES:
        assert OURS[role]["command"] == [role]
        assert OURS[role]["healthcheck"]["test"] == ["CMD", "nullsender", "health", role]
    for name, service in SERVICES.items():
        assert {"mem_limit", "cpus", "restart"} <= set(service), name
        assert "healthcheck" in service or name == "migrate"


def test_a_role_is_started_again_whatever_it_ended_with_and_migrate_only_when_it_failed() -> None:
    assert {OURS[role]["restart"] for role in ROLES} == {"unless-stopped"}
    assert OURS["migrate"]["restart"] == "on-failure"


def test_a_container_is_not_killed_before_its_role_has_had_its_time_to_stop() -> None:
    assert all(seconds(service["stop_grace_period"]) > STOP_SECONDS_MAX for service in OURS.values())


def test_what_the_compose_file_asks_the_operator_for_is_in_its_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_FILE.read_text()))
    shown = set(re.findall(r"^(\w+)=", (DEPLOY / "compose.env.example").read_text(), re.MULTILINE))

    assert asked == shown


def test_a_secret_is_a_file_that_its_service_gets_and_that_the_operator_is_told_to_make() -> None:
    given = {name: set(service.get("secrets", [])) for name, service in SERVICES.items()}
    read = {name: set(re.findall(r"/run/secrets/([\w-]+)", str(service["environment"]))) for name, service in SERVICES.items()}

    assert given == read
    assert set().union(*given.values()) == set(COMPOSE["secrets"])
    for secret in COMPOSE["secrets"].values():
        assert f"> deploy/{secret['file']}\n" in OPERATIONS


def test_every_role_shows_its_numbers_and_nobody_outside_sees_those_of_roles_without_http() -> None:
    ports = {str(port).rpartition(":")[2] for service in OURS.values() for port in service.get("ports", [])}

    for role in ROLES:
        environment = OURS[role]["environment"]
        setting = environment["NULLSENDER_HTTP" if role == "api" else "NULLSENDER_METRICS"]
        port = config.load(environment={"NULLSENDER_METRICS": setting}).metrics
        assert port is not None
        assert f"{role}:{port.port}" in OPERATIONS
        assert str(port.port) not in ports or role == "api"


def test_docker_reads_the_compose_file() -> None:
    compose = ["docker", "compose"]
    if shutil.which("docker") is None or subprocess.run([*compose, "version"], capture_output=True).returncode != 0:
        pytest.skip("there is no `docker compose` that would read it")

    read = subprocess.run(
        [*compose, "--env-file", DEPLOY / "compose.env.example", "-f", COMPOSE_FILE, "config", "--quiet"],
        capture_output=True,
        text=True,
    )

    assert (read.returncode, read.stderr) == (0, "")


def test_the_image_gets_every_package_and_all_that_its_making_names() -> None:
    let_in = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    packages = [folder.parent.name for folder in ROOT.glob("*/__init__.py") if folder.parent.name not in ("tests", "bench")]

    assert set(packages) <= set(let_in)
    assert all((ROOT / path).exists() for path in let_in)


def test_the_kafka_of_the_compose_file_is_the_one_that_is_tested() -> None:
    tested = re.search(r"<kafka.version>(.+)</kafka.version>", (ROOT / "setup" / "kafka.pom.xml").read_text())

    assert tested is not None
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested[1]}"


# --- units ---------------------------------------------------------------------------------------------------------------


def test_every_role_is_a_unit_of_its_own_that_the_target_starts() -> None:
    started = {section(unit, "Service")["ExecStart"].split()[-1]: unit for unit in UNITS}

    assert set(started) == {*ROLES, "migrate"}
    assert set(started) <= set(COMMANDS)
    for unit in UNITS:
        assert section(unit, "Install")["WantedBy"] == "nullsender.target"
        assert "MemoryMax" in section(unit, "Service")


def test_a_unit_is_started_again_whatever_it_ended_with_without_end_and_given_its_time_to_stop() -> None:
    common = section(COMMON, "Service")

    assert (common["Restart"], common["RestartSec"]) == ("always", "5")
    assert "RestartPreventExitStatus" not in common
    assert section(COMMON, "Unit")["StartLimitIntervalSec"] == "0"
    assert seconds(common["TimeoutStopSec"]) > STOP_SECONDS_MAX


def test_every_role_without_http_shows_its_numbers_at_a_port_of_its_own() -> None:
    shown = {unit.stem.removeprefix("nullsender-"): set_in(unit).get("NULLSENDER_METRICS") for unit in UNITS}
    without_http = {name: where for name, where in shown.items() if name not in ("api", "migrate")}
    ports = set()

    assert shown["api"] is shown["migrate"] is None
    for name, where in without_http.items():
        assert where is not None, name
        for process in "19":
            settings = config.load(environment={"NULLSENDER_METRICS": where.replace("%i", process)})
            assert settings.metrics is not None
            ports.add(settings.metrics.port)
        assert (where.rpartition(":")[2]).replace("%i", "N") in OPERATIONS
    assert len(ports) == sum(2 if name.endswith("@") else 1 for name in without_http)


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
