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


def test_a_value_where_the_file_should_have_a_section_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text("store = 1\n")

    with pytest.raises(Misconfigured, match="store: "):
        config.load(file=file, environment={"NULLSENDER_STORE_URL": "sqlite://"})


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


# --- secrets -----------------------------------------------------------------------------------------------------------

SECRETS = ("bootstrap_key", "kafka.password", "kafka.key_password", "kafka.options", "store.url")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    secret, variable = tmp_path / "secret", f"{config.variable_of(name)}_FILE"
    secret.write_text("user:hush=tell\n")
    environment = {variable: str(secret)}

    settings = config.load(environment=environment)

    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    assert value == ({"user:hush": "tell"} if name == "kafka.options" else "user:hush=tell")
    assert config.unknown_variables(environment) == []


def test_a_secret_in_a_file_is_masked_too(tmp_path: Path) -> None:
    for name, text in (("key", "ns_very-secret-key"), ("url", "postgresql://me:hush@db/list\r\n")):
        (tmp_path / name).write_text(text, newline="")
    environment = {
        "NULLSENDER_BOOTSTRAP_KEY_FILE": str(tmp_path / "key"),
        "NULLSENDER_STORE_URL_FILE": str(tmp_path / "url"),
    }

    values = {name: value for name, value, _ in config.shown(config.load(environment=environment))}

    assert values["bootstrap_key"] == "********"
    assert values["store.url"] == "postgresql://me:********@db/list"


def test_only_a_secret_may_stand_in_a_file_and_no_other_variable_is_called_like_one() -> None:
    names = [shown.name for shown in config.shown(config.load(environment={}))]
    variables = {config.variable_of(name) for name in names}
    files = {f"{variable}_FILE" for variable in variables}

    assert not variables & files
    unknown = config.unknown_variables(dict.fromkeys(files, ""))
    assert files - set(unknown) == {f"{config.variable_of(name)}_FILE" for name in SECRETS}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "store.url: the file .*secret' that NULLSENDER_STORE_URL_FILE names can not be read: No such file"),
        (b"\n", "store.url: the file .* is empty"),
        (b"\xff", "store.url: the file .* holds no text in UTF-8"),
    ],
)
def test_a_secret_that_can_not_be_had_from_its_file_is_a_mistake(tmp_path: Path, content: bytes | None, words: str) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)

    with pytest.raises(Misconfigured, match=words):
        config.load(environment={"NULLSENDER_STORE_URL_FILE": str(secret)})


def test_a_secret_that_is_given_twice_is_a_mistake_that_is_told_with_the_others(tmp_path: Path) -> None:
    environment = {
        "NULLSENDER_BOOTSTRAP_KEY": "ns_very-secret-key",
        "NULLSENDER_BOOTSTRAP_KEY_FILE": str(tmp_path / "key"),
        "NULLSENDER_STORE_URL_FILE": "",
        "NULLSENDER_SMTP": "x",
    }

    with pytest.raises(Misconfigured) as told:
        config.load(environment=environment)

    assert "bootstrap_key: NULLSENDER_BOOTSTRAP_KEY and NULLSENDER_BOOTSTRAP_KEY_FILE are both given" in str(told.value)
    assert "store.url: the file '' that NULLSENDER_STORE_URL_FILE names can not be read" in str(told.value)
    assert "smtp: 'x' is not HOST:PORT" in str(told.value)
    assert "very-secret" not in str(told.value)


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
