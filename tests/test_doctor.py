"""`nullsender doctor`: each finding, made true."""

import json
import os
import shutil
import socket
from collections.abc import Mapping
from datetime import timedelta
from importlib import metadata
from pathlib import Path

import pytest

from nullsender import config, limits
from nullsender.cli import main, parts, store_parts
from nullsender.cli.checking import installation, machine
from nullsender.cli.checking.dns import is_public, look_up
from nullsender.cli.checking.findings import Checked, State, checked
from nullsender.cli.running.beats import BeatFile
from nullsender.clock import FakeClock, SystemClock
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from suppression.store.policy_seen import StorePolicy
from tests.kafka_fixtures import KAFKA
from tests.servers.dns import Zone, dns_server, resolver_at
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres

CHECKS = {**machine.CHECKS, **installation.CHECKS}


def settings_of(data: Path, **variables: str) -> Settings:
    """The settings of an installation in `data`, with these variables of ours."""
    ours = {f"NULLSENDER_{name}": value for name, value in variables.items()}
    return config.load(environment={"NULLSENDER_DATA": str(data), **ours})


def found(check: str, settings: Settings) -> Checked:
    """What the one check finds whose title begins so."""
    [title] = [title for title in CHECKS if title.startswith(check)]
    [result] = checked({title: CHECKS[title]}, settings)
    return result


def assert_found(check: str, settings: Settings, state: State, words: str) -> None:
    result = found(check, settings)
    assert words in "\n".join(finding.text for finding in result.findings)
    assert result.state is state


@pytest.fixture
def installed(tmp_path: Path) -> Settings:
    """An installation in a folder, after its first start."""
    settings = settings_of(tmp_path / "data")
    store_parts.migrate_store(settings).create_key("first", scopes=["admin"], tenant=None, expires=None)
    parts.open_log(settings).close()
    return settings


@pytest.mark.parametrize("check", [title for title in CHECKS if title != "clock"])
def test_a_sound_installation_has_nothing_wrong(installed: Settings, check: str) -> None:
    assert found(check, installed) == Checked(check, [])


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "data")

    assert all(result.state is not State.WRONG for result in checked(CHECKS, settings))
    assert not settings.data.exists()


# --- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "state", "words"),
    [
        ({"MX_TRUSTED_SOURCES": "10.0.0.0/8,::/0"}, State.WRONG, "holds every address"),
        ({"LOG_KIND": "kafka", "KAFKA_SERVERS": "127.0.0.1:1"}, State.DOUBT, "set store.url"),
        ({"DOMAINS": "bounces.example.com"}, State.DOUBT, "listen on 0.0.0.0:25"),
        ({"DOMAINS": "bounces.example.com", "SMTP": "0.0.0.0:25"}, State.DOUBT, "unsubscribe links lead nowhere"),
        (
            {"DOMAINS": "bounces.example.com", "SMTP": "0.0.0.0:25", "UNSUBSCRIBE_URL": "https://news.example.com"},
            State.OK,
            "",
        ),
    ],
)
def test_settings_that_go_ill_together_are_told(tmp_path: Path, variables: Mapping[str, str], state: State, words: str) -> None:
    assert_found("settings", settings_of(tmp_path, **variables), state, words)


def test_a_variable_that_is_no_setting_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLSENDER_SMPT", "127.0.0.1:25")

    assert_found("settings", settings_of(tmp_path), State.WRONG, "NULLSENDER_SMPT is no setting")


@pytest.mark.parametrize(
    ("key", "state", "words"),
    [("short", State.WRONG, "choose a longer one"), ("ns_long-enough-a-key", State.DOUBT, "unset it")],
)
def test_a_key_that_opens_everything_is_told(tmp_path: Path, key: str, state: State, words: str) -> None:
    assert_found("bootstrap key", settings_of(tmp_path, BOOTSTRAP_KEY=key), state, words)


# --- the machine ---------------------------------------------------------------------------------------------------------


def test_packages_other_than_the_tested_ones_are_told() -> None:
    pins = """
msgspec==0.1 \\
    --hash=sha256:00
    # via nullsender
no-such-package==1 \\
no-such-either==1 ; sys_platform == "win32" \\
"""

    old, missing = machine.against_pins(pins)

    assert old.state is State.DOUBT
    assert old.text.startswith("msgspec is of version")
    assert missing.state is State.WRONG
    assert "no-such-package is missing" in missing.text


def test_of_several_tested_versions_of_a_package_any_is_good() -> None:
    found = metadata.version("msgspec")
    pins = f"""
msgspec=={found} ; python_full_version < '3.12' \\
msgspec==0.1 ; python_full_version >= '3.12' \\
"""

    assert list(machine.against_pins(pins)) == []


def test_an_unsound_sqlite_is_told(installed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pysqlite3.dbapi2.sqlite_version_info", (3, 40, 1))

    assert_found("SQLite", installed, State.WRONG, "may corrupt the list")


@pytest.mark.parametrize(
    ("bound", "value", "state", "words"),
    [
        ("DISK_FREE_BYTES_MIN", 2**70, State.WRONG, "mail gets 451 until there is room"),
        ("DISK_FILES_FREE_MIN", 2**70, State.WRONG, "more files fit"),
        ("FSYNC_SECONDS_MAX", -1.0, State.DOUBT, "every 250 waits for one"),
    ],
)
def test_a_disk_that_is_full_or_slow_is_told(
    installed: Settings, monkeypatch: pytest.MonkeyPatch, bound: str, value: float, state: State, words: str
) -> None:
    monkeypatch.setattr(machine, bound, value)

    assert_found("data folder", installed, state, words)


def test_a_disk_that_makes_nothing_durable_is_told(installed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)

    assert_found("data folder", installed, State.WRONG, "nothing can be made durable")


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)  # root may write everywhere

    assert_found("data folder", settings_of(tmp_path), State.WRONG, "can not be written by this user")


@pytest.mark.parametrize(
    ("answer", "state", "words"), [(0, State.OK, ""), (5, State.DOUBT, "run chrony"), (-1, State.DOUBT, "could not be checked")]
)
def test_a_clock_that_nobody_keeps_right_is_told(
    installed: Settings, monkeypatch: pytest.MonkeyPatch, answer: int, state: State, words: str
) -> None:
    class Kernel:
        def adjtimex(self, _buffer: object) -> int:
            return answer

    monkeypatch.setattr("ctypes.CDLL", lambda *_arguments, **_options: Kernel())

    assert_found("clock", installed, state, words)


# --- keys, list, log, roles ----------------------------------------------------------------------------------------------


def test_secret_keys_that_others_can_read_are_told(installed: Settings) -> None:
    installed.secrets_file.chmod(0o644)

    assert_found("secret keys", installed, State.WRONG, "chmod 600")


def test_secret_keys_that_are_none_are_told(installed: Settings) -> None:
    installed.secrets_file.write_text("{}")

    assert_found("secret keys", installed, State.WRONG, "does not hold our secret keys")


def test_lost_secret_keys_are_told_and_no_new_ones_made(installed: Settings) -> None:
    installed.secrets_file.unlink()

    assert_found("secret keys", installed, State.WRONG, "restore it from the backup")
    assert found("store", installed).state is State.OK
    assert not installed.secrets_file.exists()


def test_the_secret_keys_of_another_installation_are_told(installed: Settings, tmp_path: Path) -> None:
    other = settings_of(tmp_path / "other")
    parts.keys_of(other)
    shutil.copy(other.secrets_file, installed.secrets_file)

    assert_found("store", installed, State.WRONG, "another address key")


def test_a_machine_that_shares_a_list_makes_no_keys_of_its_own(tmp_path: Path) -> None:
    """Bounces to the return paths of the others would look forged to it."""
    shared = settings_of(tmp_path / "second", STORE_URL=f"sqlite:///{tmp_path / 'shared.sqlite'}")
    with pytest.raises(Misconfigured, match="copy it from the machine where this installation was begun"):
        parts.keys_of(shared)
    assert not shared.secrets_file.exists()

    store_parts.migrate(shared)

    assert parts.keys_of(shared)


def test_a_list_that_has_lost_its_secret_keys_is_migrated_by_nobody(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    store_parts.migrate(settings_of(tmp_path / "first", STORE_URL=url))
    second = settings_of(tmp_path / "second", STORE_URL=url)

    with pytest.raises(Misconfigured, match="can not be looked up without it"):
        store_parts.migrate(second)
    assert not second.secrets_file.exists()


def test_a_list_without_a_key_that_opens_it_is_told(installed: Settings) -> None:
    store = store_parts.open_store(installed)
    for key in store.list_keys():
        store.revoke_key(key.id)

    assert_found("store", installed, State.WRONG, "no API key works")


def test_another_policy_than_that_of_the_list_is_told(installed: Settings, tmp_path: Path) -> None:
    StorePolicy.beside(store_parts.open_store(installed)).note_policy("suppress")
    ours = settings_of(tmp_path / "data", POLICY_SOFT_LIMIT="3")

    assert_found("store", ours, State.DOUBT, "give every machine the same policy file")


def test_a_key_that_ends_soon_is_told(installed: Settings) -> None:
    ends = SystemClock().now() + timedelta(days=limits.KEY_ENDS_SOON_DAYS - 1)
    key_id, _ = store_parts.open_store(installed).create_key("mta", scopes=["check"], tenant=None, expires=ends)

    assert_found("store", installed, State.DOUBT, f"`nullsender keys rotate {key_id}`")


@pytest.mark.parametrize(
    ("http", "rate", "state"),
    [
        *(("0.0.0.0:8080", "0", State.DOUBT), ("192.0.2.1:8080", "0", State.DOUBT)),
        *(("0.0.0.0:8080", "1000", State.OK), ("127.0.0.1:8080", "0", State.OK)),
    ],
)
def test_keys_that_bound_nobody_are_told_where_others_can_reach_the_api(
    installed: Settings, http: str, rate: str, state: State
) -> None:
    settings, words = settings_of(installed.data, HTTP=http, API_RATE=rate), "1 of its keys have neither a rate nor networks"
    store = store_parts.open_store(settings)
    store.create_key("mta", scopes=["check"], tenant=None, expires=None, rate=1_000)
    store.create_key("scrubs", scopes=["check"], tenant=None, expires=None, networks=["10.0.0.0/8"])

    assert_found("store", settings, state, words if state is State.DOUBT else "")


def test_a_database_that_does_not_answer_is_told(installed: Settings) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nowhere"

    assert_found("store", settings_of(installed.data, STORE_URL=url), State.WRONG, "no connection to PostgreSQL")


@pytest.mark.xdist_group("postgresql")
def test_an_old_server_and_a_clock_that_is_wrong_are_told(
    postgres: Postgres, postgres_template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres.create_database(postgres_template)
    settings = settings_of(tmp_path, STORE_URL=postgres.url(name))
    assert found("store", settings).state is State.OK
    assert_found("secret keys", settings, State.DOUBT, "copy it from where it is")

    monkeypatch.setattr(installation, "POSTGRESQL_VERSION_MIN", (99, 1))
    monkeypatch.setattr(parts, "CLOCK", FakeClock(SystemClock().now() - timedelta(seconds=60)))
    result = found("store", settings)

    old, apart = (finding.text for finding in result.findings)
    assert old.endswith("is too old: upgrade it to 99.1 or later")
    assert "s ahead of this machine's" in apart
    postgres.drop_database(name)


def test_a_log_that_can_not_be_opened_is_told(installed: Settings) -> None:
    (installed.log_folder / "format.json").write_text('{"version": 99, "partitions": 1}')

    assert_found("log", installed, State.WRONG, "a newer version has written it")


@KAFKA
def test_topics_that_are_missing_or_other_than_wanted_are_told(kafka: Kafka, topic_prefix: str, tmp_path: Path) -> None:
    one = {"KAFKA_PARTITIONS": "1", "KAFKA_REPLICATION": "1", "KAFKA_MIN_INSYNC": "1"}
    on_kafka = {"LOG_KIND": "kafka", "KAFKA_SERVERS": kafka.servers, "KAFKA_TOPIC_PREFIX": topic_prefix}
    settings = settings_of(tmp_path, **on_kafka, **one)
    assert_found("log", settings, State.WRONG, "run `nullsender migrate`")

    parts.migrate_log(settings)
    assert found("log", settings) == Checked("log", [])
    with parts.open_log(settings) as log:
        assert log.trouble() is None

    other = settings_of(tmp_path, **on_kafka, KAFKA_PARTITIONS="2", KAFKA_REPLICATION="2", KAFKA_MIN_INSYNC="2")
    assert_found("log", other, State.WRONG, "bounces has 1 replica and kafka.replication is 2")


def test_a_certificate_that_is_none_is_told(installed: Settings, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    none = str(tmp_path / "none.pem")

    assert_found(
        "certificate", settings_of(installed.data, MX_TLS_CERTIFICATE=none, MX_TLS_KEY=none), State.WRONG, "do not work"
    )


def test_a_role_in_trouble_is_told(installed: Settings) -> None:
    now_seconds = SystemClock().monotonic_seconds()
    with BeatFile(installed.health_folder, "classify") as file, BeatFile(installed.health_folder, "mx") as frozen:
        file.write(now_seconds, ready=True, troubles=["the brake is on"])
        frozen.write(now_seconds - 100, ready=True, troubles=[])

        assert_found("roles", installed, State.WRONG, f"classify (process {os.getpid()}): the brake is on")
        assert_found("roles", installed, State.WRONG, f"mx (process {os.getpid()}) has not beaten for 100 s")


# --- the DNS -------------------------------------------------------------------------------------------------------------

SOUND: Zone = {
    "bounces.shop.example.org. MX": ["10 mx.shop.example.org."],
    "mx.shop.example.org. A": ["192.0.2.1"],
    "1.2.0.192.in-addr.arpa. PTR": ["mx.shop.example.org."],
}


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, State.OK, ""),
        ({"bounces.shop.example.org. MX": ["10 MX.Shop.Example.ORG.", "20 backup.example.net."]}, State.OK, ""),
        (
            {"bounces.shop.example.org. MX": ["10 alias.example.net."], "alias.example.net. A": ["192.0.2.1"]},
            State.OK,
            "",
        ),
        ({"bounces.shop.example.org. MX": []}, State.WRONG, "add `bounces.shop.example.org. MX 10 mx.shop.example.org.`"),
        ({"bounces.shop.example.org. MX": ["0 ."]}, State.WRONG, "takes no mail (RFC 7505)"),
        ({"bounces.shop.example.org. MX": ["10 mail.example.net."]}, State.WRONG, "lead to mail.example.net and not to"),
        ({"mx.shop.example.org. A": []}, State.WRONG, "has no address in the DNS"),
        ({"1.2.0.192.in-addr.arpa. PTR": []}, State.DOUBT, "the PTR record of 192.0.2.1 is missing"),
        ({"1.2.0.192.in-addr.arpa. PTR": ["static.isp.example.net."]}, State.DOUBT, "says static.isp.example.net"),
    ],
)
def test_a_way_that_does_not_lead_here_is_told(changes: Zone, state: State, words: str) -> None:
    with dns_server({**SOUND, **changes}) as resolver:
        result = Checked("DNS", list(look_up(["bounces.shop.example.org"], "mx.shop.example.org", resolver)))

    assert result.state is state, result
    assert words in "\n".join(finding.text for finding in result.findings)


def test_a_name_that_only_this_machine_knows_is_no_mx(tmp_path: Path) -> None:
    with dns_server(SOUND) as resolver:
        [finding] = list(look_up(["bounces.shop.example.org"], "localhost", resolver))[:1]

    assert finding.state is State.WRONG
    assert "set the name by which the world finds this MX" in finding.text


def test_without_an_answer_nothing_is_said_to_be_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nullsender.cli.checking.dns.DNS_SECONDS_MAX", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        findings = list(look_up(["a.example.org", "b.example.org"], "mx.example.org", resolver_at(silent.getsockname()[1])))

    [finding] = findings
    assert finding.state is State.DOUBT
    assert "could not be checked" in finding.text


@pytest.mark.parametrize(
    ("domain", "public"), [("bounces.localhost", False), ("host", False), ("a.test", False), ("example.com", True)]
)
def test_local_names_are_not_looked_up(domain: str, public: bool) -> None:
    assert is_public(domain) is public


# --- the command ---------------------------------------------------------------------------------------------------------


def test_what_is_found_can_be_read_by_machines(
    installed: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed.secrets_file.chmod(0o644)
    monkeypatch.setenv("NULLSENDER_BOOTSTRAP_KEY", "ns_hunter2-hunter2")

    assert main(["doctor", "--json", "--data", str(installed.data)]) == 3

    told = json.loads(capsys.readouterr().out)
    states = {check["title"].partition(" (")[0]: check["state"] for check in told["checks"]}
    assert states["secret keys"] == "wrong"
    assert states["certificate"] == "ok"
    [key] = [setting["value"] for setting in told["settings"] if setting["name"] == "bootstrap_key"]
    assert "hunter2" not in key


def test_people_are_told_the_same_with_what_to_do(installed: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data", str(installed.data)]) == 0
    assert "WRONG" not in capsys.readouterr().out

    installed.secrets_file.chmod(0o644)
    assert main(["doctor", "--data", str(installed.data)]) == 3
    assert "WRONG  secret keys" in capsys.readouterr().out


def test_people_see_the_settings_that_were_changed_first_and_all_if_asked_for(
    installed: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NULLSENDER_POLICY_SOFT_LIMIT", "7")

    main(["doctor", "--data", str(installed.data)])
    settings, _, findings = capsys.readouterr().out.partition("\n\n")
    assert [line.split()[:2] for line in settings.splitlines()] == [["data", str(installed.data)], ["policy.soft_limit", "7"]]
    assert "secret keys" in findings

    main(["doctor", "--data", str(installed.data), "--settings"])
    assert "policy.soft_window_days" in capsys.readouterr().out


def test_where_nothing_was_changed_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NULLSENDER_DATA", raising=False)

    main(["doctor"])
    assert "every setting is the default" in capsys.readouterr().out
