"""What an operator is told when Kafka can not be used, and what `nullsender migrate` does there."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import pysqlite3.dbapi2 as pysqlite3
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]

from nullsender import log_kafka_client
from nullsender.cli import EXIT_MISCONFIGURED, main
from nullsender.clock import SystemClock
from nullsender.errors import Misconfigured
from nullsender.log import Record, Topic
from nullsender.log_kafka_client import Naming, opened_asker
from nullsender.log_kafka_settings import KafkaSettings
from nullsender.log_kafka_topics import KafkaTopics, migrate_topics
from tests.kafka_fixtures import KAFKA
from tests.log_contract import publish
from tests.log_kafka_world import asked, configure, migrated, opened, settings_for
from tests.missing import give_up
from tests.servers.kafka import Kafka, KafkaUnavailable
from tests.servers.kafka_secured import PASSWORD, USER, SecuredKafka, secured_kafka_server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody will answer, nobody waits as long as an operator would."""
    monkeypatch.setattr(log_kafka_client, "KAFKA_START_SECONDS_MAX", 1.0)
    monkeypatch.setattr(log_kafka_client, "KAFKA_ASK_AGAIN_SECONDS", 1.0)


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredKafka]:
    """A Kafka with doors."""
    try:
        with secured_kafka_server() as server:
            yield server
    except KafkaUnavailable as reason:
        give_up(reason)


def told(settings: KafkaSettings) -> str:
    """The sentence that the operator reads."""
    assert settings.mistakes() == []
    with pytest.raises(Misconfigured) as misconfigured:
        opened(settings)
    return str(misconfigured.value)


# --- at the door -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("hasty")
def test_where_nobody_answers_the_settings_are_named() -> None:
    assert told(settings_for("127.0.0.1:1")).startswith("no Kafka answers at 127.0.0.1:1: is it running, are kafka.servers")


def test_a_file_that_is_not_there_is_named_before_anybody_is_asked() -> None:
    settings = dataclasses.replace(settings_for("127.0.0.1:1"), security="ssl", ca_file=Path("/nonexistent/ca.pem"))

    assert "ssl.ca.location" in told(settings)


@KAFKA
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_the_right_password_opens(secured: SecuredKafka, mechanism: str, topic_prefix: str) -> None:
    settings = migrated(
        dataclasses.replace(
            settings_for(secured.tls_servers, topic_prefix),
            security="sasl_ssl",
            ca_file=secured.trusted,
            sasl_mechanism=mechanism,
            username=USER,
            password=PASSWORD,
        )
    )

    with opened(settings) as log:
        publish(log, Record(Topic.BOUNCES, b"k", b"v"))
        assert [record.value for record in log.read(Topic.BOUNCES)] == [b"v"]


@KAFKA
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_wrong_password_or_mechanism_is_told_apart(secured: SecuredKafka, mechanism: str) -> None:
    settings = dataclasses.replace(
        settings_for(secured.sasl_servers),
        security="sasl_plaintext",
        sasl_mechanism=mechanism,
        username=USER,
        password="wrong",
    )

    sentence = told(settings)

    assert "refuses the login: are kafka.username, password and sasl_mechanism right?" in sentence
    assert "wrong" not in sentence


@KAFKA
def test_a_certificate_that_is_not_trusted_is_told_apart(secured: SecuredKafka) -> None:
    settings = dataclasses.replace(settings_for(secured.tls_servers), security="ssl")

    assert "are kafka.security and ca_file (or the client certificate) right?" in told(settings)


@KAFKA
@pytest.mark.usefixtures("hasty")
def test_a_door_of_another_kind_is_told(secured: SecuredKafka) -> None:
    assert "is it running, are kafka.servers and kafka.security right?" in told(settings_for(secured.tls_servers))


# --- topics ------------------------------------------------------------------------------------------------------------


def topics_of(settings: KafkaSettings) -> KafkaTopics:
    """What migrates them."""
    clock = SystemClock()
    return KafkaTopics(opened_asker(settings, clock=clock), Naming(settings.topic_prefix), settings, clock=clock)


def existing(settings: KafkaSettings) -> set[str]:
    """The topics of this test."""
    admin = AdminClient({**settings.client()})
    return {name for name in admin.list_topics(timeout=20).topics if name.startswith(settings.topic_prefix)}


def config_of(settings: KafkaSettings, topic: Topic) -> Mapping[str, str]:
    """A topic's configuration."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, settings.topic_prefix + topic)
    [entries] = asked(settings, lambda admin: admin.describe_configs([resource]))
    return {name: entry.value for name, entry in entries.items()}


@KAFKA
def test_a_role_does_not_start_without_its_topics(kafka: Kafka, topic_prefix: str) -> None:
    assert "run `nullsender migrate`" in told(settings_for(kafka.servers, topic_prefix))


@KAFKA
def test_a_role_does_not_start_on_topics_with_too_few_copies(kafka: Kafka, topic_prefix: str) -> None:
    """A 250 would promise copies that nobody makes."""
    settings = migrated(settings_for(kafka.servers, topic_prefix))

    sentence = told(dataclasses.replace(settings, replication=3, min_insync=2))

    assert f"the topic {topic_prefix}bounces has 1 replica and kafka.replication is 3: reassign it" in sentence


@KAFKA
def test_topics_are_made_once_and_as_they_are_promised(kafka: Kafka, topic_prefix: str) -> None:
    settings = settings_for(kafka.servers, topic_prefix)

    assert len(migrate_topics(settings, clock=SystemClock())) == len(Topic)
    assert migrate_topics(settings, clock=SystemClock()) == topics_of(settings).findings() == []

    raw, bounces = (config_of(settings, topic) for topic in (Topic.RAW, Topic.BOUNCES))
    assert int(raw["retention.ms"]) == 7 * 86_400_000
    assert int(bounces["retention.ms"]) == 30 * 86_400_000
    assert bounces["retention.bytes"] == "-1"
    assert raw["message.timestamp.type"] == "LogAppendTime"


@KAFKA
def test_what_was_changed_behind_our_back_is_found_and_set_right(kafka: Kafka, topic_prefix: str) -> None:
    settings = migrated(settings_for(kafka.servers, topic_prefix))
    configure(settings, Topic.COMPLAINTS, "retention.ms", "1000")

    [finding] = topics_of(settings).findings()
    [sentence] = migrate_topics(settings, clock=SystemClock())

    assert finding == f"the topic {topic_prefix}complaints has retention.ms=1000: `nullsender migrate` sets 2592000000"
    assert sentence == f"The topic {topic_prefix}complaints has retention.ms=2592000000 now (1000 before)."
    assert config_of(settings, Topic.COMPLAINTS)["retention.ms"] == "2592000000"


@KAFKA
def test_too_few_replicas_in_sync_are_trouble(kafka: Kafka, topic_prefix: str) -> None:
    settings = migrated(settings_for(kafka.servers, topic_prefix))
    with opened(settings) as log:
        assert log.trouble() is None
    wanting = topics_of(dataclasses.replace(settings, replication=2, min_insync=2))
    assert wanting.trouble() == f"28 partitions of Kafka, such as {topic_prefix}bounces 0, with fewer than 2 replicas in sync"


@KAFKA
def test_with_fewer_brokers_than_copies_nothing_is_made(kafka: Kafka, topic_prefix: str) -> None:
    settings = dataclasses.replace(settings_for(kafka.servers, topic_prefix), replication=3)

    with pytest.raises(Misconfigured, match=r"kafka\.replication is 3 and Kafka has 1 broker:"):
        migrate_topics(settings, clock=SystemClock())

    assert existing(settings) == set()


@KAFKA
def test_a_topic_with_too_few_copies_and_partitions_is_named_and_nothing_else_made(kafka: Kafka, topic_prefix: str) -> None:
    settings = dataclasses.replace(settings_for(kafka.servers, topic_prefix), replication=3)
    asked(settings, lambda admin: admin.create_topics([NewTopic(f"{topic_prefix}raw", 2, 1)]))

    with pytest.raises(Misconfigured) as misconfigured:
        migrate_topics(settings, clock=SystemClock())

    assert f"the topic {topic_prefix}raw has 1 replica and kafka.replication is 3" in str(misconfigured.value)
    assert f"the topic {topic_prefix}raw has 2 partitions and kafka.partitions is 4" in str(misconfigured.value)
    assert existing(settings) == {f"{topic_prefix}raw"}


# --- the command -------------------------------------------------------------------------------------------------------


def use(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Set the variables of an installation on Kafka."""
    given = {"log_kind": "kafka", "kafka_replication": "1", "kafka_min_insync": "1", **settings}
    for name, value in given.items():
        monkeypatch.setenv(f"NULLSENDER_{name.upper()}", value)


@pytest.mark.usefixtures("hasty")
def test_without_a_broker_migrate_ends_with_3_and_has_done_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, kafka_servers="127.0.0.1:1")

    assert main(["migrate", "--data", str(tmp_path)]) == EXIT_MISCONFIGURED
    assert "nullsender: no Kafka answers at 127.0.0.1:1" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.sqlite*"))


@KAFKA
def test_migrate_makes_topics_and_list_and_says_so(
    kafka: Kafka, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, kafka_servers=kafka.servers, kafka_topic_prefix=topic_prefix, kafka_partitions="2")

    assert main(["migrate", "--data", str(tmp_path)]) == 0
    assert f"The topic {topic_prefix}bounces was made: 2 partitions, 1 replica." in capsys.readouterr().out
    assert (tmp_path / "nullsender.sqlite").exists()


@KAFKA
def test_a_schema_from_the_future_leaves_the_topics_alone(
    kafka: Kafka, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, kafka_servers=kafka.servers, kafka_topic_prefix=topic_prefix, kafka_partitions="4")
    with pysqlite3.connect(tmp_path / "nullsender.sqlite") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
        connection.execute("CREATE TABLE meta (name TEXT, value TEXT)")

    assert main(["migrate", "--data", str(tmp_path)]) == EXIT_MISCONFIGURED
    assert "9999 is from a newer version" in capsys.readouterr().err
    assert existing(settings_for(kafka.servers, topic_prefix)) == set()
    assert not (tmp_path / "secret-keys.json").exists()
