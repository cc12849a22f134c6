"""The settings of Kafka: what contradicts itself is named, what our promises rest on can not be set."""

from pathlib import Path

import pytest

from nullsender import config
from nullsender.errors import Misconfigured
from nullsender.log_kafka_settings import KafkaSettings

KAFKA_AT = {"NULLSENDER_LOG_KIND": "kafka", "NULLSENDER_KAFKA_SERVERS": "kafka-1:9092, kafka-2:9092"}


def mistakes(**settings: object) -> list[str]:
    """What is wrong with them."""
    return KafkaSettings(**{"servers": ("kafka:9092",), **settings}).mistakes()  # type: ignore[arg-type]


def test_kafka_needs_a_place_and_nothing_else() -> None:
    assert mistakes() == []
    assert mistakes(servers=()) == ["kafka.servers: log.kind is kafka, so say where it is (HOST:PORT, …)"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"replication": 1}, "kafka.min_insync"),
        ({"password": "p"}, "kafka.password"),
        ({"ca_file": Path("ca.pem")}, "kafka.ca_file"),
        ({"security": "sasl_plaintext", "ca_file": Path("ca.pem"), "sasl_mechanism": "GSSAPI"}, "kafka.ca_file"),
        ({"security": "sasl_ssl"}, "kafka.sasl_mechanism"),
        ({"security": "sasl_ssl", "sasl_mechanism": "PLAIN", "username": "u"}, "kafka.username and kafka.password"),
        ({"security": "ssl", "key_file": Path("key.pem")}, "kafka.certificate_file and kafka.key_file"),
        ({"security": "ssl", "key_password": "p"}, "kafka.key_password"),
    ],
)
def test_a_contradiction_is_named(settings: dict[str, object], named: str) -> None:
    [mistake] = mistakes(**settings)

    assert mistake.startswith(f"{named}: ")


@pytest.mark.parametrize(
    "name",
    ["acks", "request.required.acks", "enable.idempotence", "enable.auto.commit", "auto.offset.reset", "message.timeout.ms",
     "partitioner", "group.id", "group.instance.id", "session.timeout.ms", "sasl.password", "bootstrap.servers"],
)  # fmt: skip
def test_an_option_that_a_promise_rests_on_is_refused(name: str) -> None:
    [mistake] = mistakes(options={name: "0"})

    assert mistake.startswith(f"kafka.options: {name} can not be set: ")


def test_other_options_reach_the_client_but_none_of_ours_is_lost() -> None:
    settings = KafkaSettings(servers=("a:1", "b:2"), security="ssl", options={"socket.nagle.disable": "true"})

    assert settings.mistakes() == []
    assert settings.client() == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "ssl",
        "socket.nagle.disable": "true",
    }


def test_settings_come_from_variables_and_secrets_are_masked() -> None:
    variables = KAFKA_AT | {
        "NULLSENDER_KAFKA_SECURITY": "sasl_ssl",
        "NULLSENDER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "NULLSENDER_KAFKA_USERNAME": "someone",
        "NULLSENDER_KAFKA_PASSWORD": "hush",
        "NULLSENDER_KAFKA_OPTIONS": "client.rack=north, sasl.oauthbearer.client.secret=hush",
    }

    settings = config.load(environment=variables)

    assert settings.kafka_settings.servers == ("kafka-1:9092", "kafka-2:9092")
    assert settings.kafka_settings.options == {"client.rack": "north", "sasl.oauthbearer.client.secret": "hush"}
    shown = {row.name: row.value for row in config.shown(settings)}
    assert shown["kafka.username"] == "someone"
    assert "hush" not in " ".join(shown.values()) + repr(settings.kafka_settings)


def test_options_come_as_a_table_too(tmp_path: Path) -> None:
    file = tmp_path / "nullsender.toml"
    file.write_text('[kafka.options]\n"socket.nagle.disable" = true\n"client.rack" = "north"\n')

    assert config.load(file=file, environment={}).kafka.options == {"socket.nagle.disable": "true", "client.rack": "north"}


def test_a_mistake_in_the_section_is_told_at_the_start_when_kafka_is_the_log() -> None:
    with pytest.raises(Misconfigured, match=r"kafka\.options: acks can not be set"):
        config.load(environment=KAFKA_AT | {"NULLSENDER_KAFKA_OPTIONS": "acks=1"})
    with pytest.raises(Misconfigured, match="NAME=VALUE"):
        config.load(environment={"NULLSENDER_KAFKA_OPTIONS": "acks"})
    assert config.load(environment={"NULLSENDER_KAFKA_PASSWORD": "unused"}).log.kind == "embedded"
