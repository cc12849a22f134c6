"""Settings: where they come from, which wins, and what is said of mistakes."""

from pathlib import Path

import pytest

from nullsender import config
from nullsender.errors import Misconfigured


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text('data = "file"\nsmtp = "127.0.0.1:1"\nhttp = "127.0.0.1:1"\n[policy]\nsoft_limit = 3\n')

    settings = config.load(
        {"http": "127.0.0.1:3"}, file=file, environment={"NULLSENDER_SMTP": "127.0.0.1:2", "NULLSENDER_HTTP": "127.0.0.1:2"}
    )

    assert (settings.data, settings.policy.soft_limit) == (Path("file"), 3)
    assert (settings.smtp.port, settings.http.port) == (2, 3)


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text("[policy]\nsoft_limit = 9\n")

    assert config.load(environment={"NULLSENDER_CONFIG": str(file)}).policy.soft_limit == 9


def test_every_setting_has_a_variable_and_words() -> None:
    for name, _, meaning in config.shown(config.load(environment={})):
        assert config.variable_of(name).startswith("NULLSENDER_")
        assert meaning, name


def test_lists_are_comma_separated_and_domains_become_ascii() -> None:
    environment = {
        "NULLSENDER_DOMAINS": "Bounces.Example, bücher.example.",
        "NULLSENDER_MX_TRUSTED_SOURCES": "192.0.2.0/24,::1",
    }

    settings = config.load(environment=environment)

    assert settings.domains == ("bounces.example", "xn--bcher-kva.example")
    assert [str(n) for n in settings.mx.trusted_sources] == ["192.0.2.0/24", "::1/128"]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NULLSENDER_SMTP": "somewhere"}, "smtp: 'somewhere' is not HOST:PORT"),
        ({"NULLSENDER_HTTP": "127.0.0.1:99999"}, "http: .* is not HOST:PORT"),
        ({"NULLSENDER_DOMAINS": ""}, "domains: the MX needs at least one domain"),
        ({"NULLSENDER_MX_TRUSTED_SOURCES": "everyone"}, "mx.trusted_sources"),
        ({"NULLSENDER_POLICY_UNPROVEN": "maybe"}, "policy.unproven.*'ignore', 'provisional' or 'full'"),
        ({"NULLSENDER_BOOTSTRAP_KEY": ""}, "bootstrap_key.*at least 1 "),
        ({"NULLSENDER_MX_TLS_KEY": "/nowhere/key.pem"}, "STARTTLS needs both"),
    ],
)
def test_a_mistake_is_named_with_its_place(environment: dict[str, str], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        config.load(environment=environment)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Misconfigured) as told:
        config.load(environment={"NULLSENDER_SMTP": "x", "NULLSENDER_HTTP": "y"})

    assert "smtp" in str(told.value)
    assert "http" in str(told.value)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_bytes(b"\xff = [")

    for file in (broken, tmp_path / "missing.toml"):
        with pytest.raises(Misconfigured, match=file.name):
            config.load(file=file, environment={})


def test_a_setting_that_does_not_exist_is_a_mistake_in_the_file_and_a_warning_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text("smpt = 1\n")

    with pytest.raises(Misconfigured, match="smpt"):
        config.load(file=file, environment={})
    assert config.unknown_variables({"NULLSENDER_SMPT": "1", "NULLSENDER_SMTP": "1"}) == ["NULLSENDER_SMPT"]


def test_secrets_are_masked_when_settings_are_shown() -> None:
    environment = {"NULLSENDER_BOOTSTRAP_KEY": "ns_very-secret-key", "NULLSENDER_STORE_URL": "postgresql://me:hush@db/list"}

    values = {name: value for name, value, _ in config.shown(config.load(environment=environment))}

    assert values["bootstrap_key"] == "********"
    assert values["store.url"] == "postgresql://me:********@db/list"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://db/list?password=hush&connect_timeout=3", "postgresql://db/list?password=********&connect_timeout=3"),
        ("postgresql://me:hu@sh@db/list?sslpassword=hush", "postgresql://me:********@db/list?sslpassword=********"),
        ("postgresql://me@db/list", "postgresql://me@db/list"),
        ("sqlite:////var/lib/list.sqlite", "sqlite:////var/lib/list.sqlite"),
    ],
)
def test_a_password_is_masked_wherever_it_stands_in_a_url(url: str, shown: str) -> None:
    settings = config.load(environment={"NULLSENDER_STORE_URL": url})

    assert {name: value for name, value, _ in config.shown(settings)}["store.url"] == shown
