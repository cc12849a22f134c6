"""The list as commands open it. Apart from `parts.py` because the MX and the classifiers start in half the time without SQL."""

from typing import TYPE_CHECKING

from nullsender.cli import parts
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.limits import KAFKA_SEGMENTS_PER_RETENTION
from suppression.engine import open_engine, opened
from suppression.incidents.breaker import BreakerSettings
from suppression.privacy.retention import Kept
from suppression.store.store import Store
from suppression.unsubscribes.deadlines import Deadlines, Jurisdiction

if TYPE_CHECKING:
    from suppression.migrate import Found


def open_store(settings: Settings) -> Store:
    """The list."""
    settings.data.mkdir(parents=True, exist_ok=True)
    hasher = parts.hasher_of(settings)
    engine = open_engine(settings.store_url, connections=settings.store.connections)
    return Store(
        engine,
        hasher=hasher,
        clock=parts.CLOCK,
        policy=parts.policy_of(settings),
        kept=kept_of(settings),
        deadlines=deadlines_of(settings),
        breaker=BreakerSettings(**settings.breaker.model_dump()),
    )


def kept_of(settings: Settings) -> Kept:
    """How long what names people is kept."""
    return Kept(
        history_days=settings.store.history_days,
        export_days=settings.exports.days,
        import_days=settings.imports.days,
        log_spare=KAFKA_SEGMENTS_PER_RETENTION if settings.log.kind == "kafka" else 0,
        **settings.privacy.model_dump(),
    )


def deadlines_of(settings: Settings) -> Deadlines:
    """Whose limits hold for each tenant (`unsubscribe.jurisdictions`); `Misconfigured` where a word names none."""
    try:
        return Deadlines(
            {
                tenant.lower(): [Jurisdiction(word) for word in words.replace("+", " ").split()]
                for tenant, words in settings.unsubscribe.jurisdictions.items()
            }
        )
    except ValueError as error:
        known = ", ".join(Jurisdiction)
        raise Misconfigured(f"unsubscribe.jurisdictions: {error}; there are {known}") from error


def open_store_to_look(settings: Settings) -> Store:
    """The same for a command that only asks: `Invalid` where there is no list (`parts.require_list`)."""
    parts.require_list(settings)
    return open_store(settings)


def migrate(settings: Settings) -> list[str]:
    """Bring the log's topics and the store up to date; what was done to the topics, a sentence each.

    What may refuse is asked first, so that nothing is half done: a store that is away or from the future, then the log. Topics
    that a newer version has set are left to it.
    """
    newer = _look(settings).is_newer
    sentences = [] if newer else parts.migrate_log(settings)
    migrate_store(settings)
    return sentences


def migrate_store(settings: Settings) -> Store:
    """The list, its schema brought up to date; a new one gets its secret keys."""
    from suppression.migrate import upgrade  # a tenth of a start, for what is seldom done

    if _look(settings).is_begun and not settings.secrets_file.exists():
        raise Misconfigured(
            f"{settings.secrets_file} is not there, and the list can not be looked up without it: copy it from the machine "
            "where the list was begun, or restore it from the backup"
        )
    settings.data.mkdir(parents=True, exist_ok=True)
    with opened(settings.store_url) as engine:
        upgrade(engine)
    parts.make_keys(settings)
    return open_store(settings)


def _look(settings: Settings) -> "Found":
    from suppression.migrate import Found, look

    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        return Found(is_newer=False, is_begun=False)  # to look would be to make it
    with opened(settings.store_url) as engine:
        return look(engine)
