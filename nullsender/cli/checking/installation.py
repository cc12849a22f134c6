"""What `nullsender doctor` finds about this installation: its settings, keys, list, log and roles."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from nullsender import config
from nullsender.cli import parts, store_parts
from nullsender.cli.checking.dns import is_public
from nullsender.cli.checking.findings import Check, Finding, doubt, wrong
from nullsender.cli.doors import door_settings
from nullsender.cli.running.beats import living
from nullsender.config import Endpoint, Settings
from nullsender.events import Fault, Result
from nullsender.limits import (
    BOOTSTRAP_KEY_CHARACTERS_MIN,
    CLOCKS_APART_SECONDS_MAX,
    KEY_ENDS_SOON_DAYS,
    POSTGRESQL_VERSION_MIN,
)
from nullsender.wording import counted
from suppression.store.held_reports import StoreReview
from suppression.store.policy_seen import StorePolicy
from suppression.store.server import Server, server_of
from suppression.store.store import Store

_LOOPBACK = ("127.", "::1", "localhost")


def _settings(settings: Settings) -> Iterator[Finding]:
    for variable in config.unknown_variables():
        yield wrong(f"{variable} is no setting: is its name spelled right?")
    if any(network.prefixlen == 0 for network in settings.mx.trusted_sources):
        yield wrong("mx.trusted_sources holds every address there is, so any stranger's report is believed: name networks")
    if settings.log.kind == "kafka" and settings.store.url is None:
        yield doubt("log.kind is kafka and the list is a SQLite file, which one machine alone can use: set store.url")
    if settings.smtp.host.startswith(_LOOPBACK) and (public := [domain for domain in settings.domains if is_public(domain)]):
        yield doubt(f"smtp is {settings.smtp}, so nobody outside can bring mail for {', '.join(public)}: listen on 0.0.0.0:25")
    if any(map(is_public, settings.domains)) and settings.unsubscribe.url == config.UnsubscribeSection().url:
        yield doubt(f"unsubscribe.url is {settings.unsubscribe.url}, so unsubscribe links lead nowhere: set it to use them")


def _bootstrap_key(settings: Settings) -> Iterator[Finding]:
    if settings.bootstrap_key is None:
        return
    if len(settings.bootstrap_key) < BOOTSTRAP_KEY_CHARACTERS_MIN:
        yield wrong(
            f"bootstrap_key opens everything and has under {BOOTSTRAP_KEY_CHARACTERS_MIN} characters: choose a longer one"
        )
    else:
        yield doubt(
            "bootstrap_key opens everything: give each user a key (`nullsender keys create`), revoke this one and unset it"
        )


def _secrets(settings: Settings) -> Iterator[Finding]:
    if settings.secrets_file.exists():
        parts.keys_of(settings)
        if settings.secrets_file.stat().st_mode & 0o077:
            yield wrong(f"{settings.secrets_file} can be read by others: chmod 600 it")
    elif settings.store.url is None and _sqlite_is_there(settings):
        yield wrong(
            f"{settings.secrets_file} is missing and there is a list: restore it from the backup, nothing else reads it"
        )
    elif settings.store.url is not None:
        yield doubt(f"{settings.secrets_file} is not there: if this list is older than this machine, copy it from where it is")


def _store(settings: Settings) -> Iterator[Finding]:
    if settings.store.url is None and not _sqlite_is_there(settings):
        return  # nothing was ever started here; the first start makes it
    yield from _server(server_of(settings.store_url))
    if settings.secrets_file.exists():  # opening the list would make keys, which then are not its own
        store = store_parts.open_store(settings)
        store.ready()
        yield from _api_keys(store)
        yield from _held(store)
        yield from _policy(store)
        if not settings.http.host.startswith(_LOOPBACK) and not settings.api.rate:
            yield from _unbounded_keys(store)


def _server(server: Server) -> Iterator[Finding]:
    if server.name == "postgresql" and server.version < POSTGRESQL_VERSION_MIN:
        found, least = (".".join(map(str, version)) for version in (server.version, POSTGRESQL_VERSION_MIN))
        yield wrong(f"PostgreSQL {found} is too old: upgrade it to {least} or later")
    if server.now is not None:
        apart_seconds = (server.now - parts.CLOCK.now()).total_seconds()
        if abs(apart_seconds) > CLOCKS_APART_SECONDS_MAX:
            word = "ahead of" if apart_seconds > 0 else "behind"
            yield wrong(f"the database's clock is {abs(apart_seconds):.0f} s {word} this machine's: let NTP keep both right")


def _api_keys(store: Store) -> Iterator[Finding]:
    now = parts.CLOCK.now()
    working = [key for key in store.list_keys() if key.works(now)]
    if not working:
        yield wrong("no API key works: make one with `nullsender keys create NAME`")
    for key in working:
        ends = min((end for end in (key.expires, key.revoked) if end is not None), default=None)
        if ends is not None and ends < now + timedelta(days=KEY_ENDS_SOON_DAYS):
            yield doubt(
                f"the API key {key.id} ({key.name}) ends on {ends:%Y-%m-%d}: `nullsender keys rotate {key.id}` makes the next"
            )


def _held(store: Store) -> Iterator[Finding]:
    held = [one for one in StoreReview.beside(store).held(None) if one.held]
    if held:
        reports, oldest = sum(one.held for one in held), min(one.oldest for one in held if one.oldest)
        waiting = counted(reports, "report is", "reports are")
        yield doubt(
            f"{waiting} held for a review, the first since {oldest:%Y-%m-%d %H:%M}: `nullsender review list` shows by what"
        )


def _policy(store: Store) -> Iterator[Finding]:
    other = StorePolicy.beside(store).other_policy()
    if other is not None:
        yield doubt(
            f"the list is kept under policy {other}, and these settings say {store.policy.version}: give every machine the "
            "same policy file, and restart what runs"
        )


def _unbounded_keys(store: Store) -> Iterator[Finding]:
    now = parts.CLOCK.now()
    if keys := [key for key in store.list_keys() if key.works(now) and key.rate is None and not key.networks]:
        yield doubt(
            f"other machines can reach the API, and {len(keys)} of its keys have neither a rate nor networks (`nullsender keys "
            "list`): whoever gets hold of one may try any number of addresses. Make keys with --rate or --from, or set api.rate"
        )


def _log(settings: Settings) -> Iterator[Finding]:
    if settings.log.kind == "embedded" and not settings.log_folder.exists():
        return  # the first start makes it
    with parts.open_log(settings) as log:
        yield from map(wrong, log.findings())


def _certificate(settings: Settings) -> Iterator[Finding]:
    from nullsender.cli.mx import mx_settings

    mx_settings(settings)
    yield from ()


def _own_rules(settings: Settings) -> Iterator[Finding]:
    if settings.classify.rules is None:
        return
    from classifiers.outcome import MEANINGS
    from classifiers.own_rules import with_own_rules
    from classifiers.rulebook import read_rulebook
    from classifiers.rules import Rules
    from nullsender.cli.ruling.taken import taken_examples, words_of

    book = with_own_rules(read_rulebook(), settings.classify.rules)
    wide: dict[str, Finding] = {}  # the first of each rule of theirs, for one that takes many takes them of many of ours
    for taken in taken_examples(book, Rules(book)):
        hard = [(example, now) for example, now in taken.examples if now.outcome is Result.HARD]
        if hard and MEANINGS[taken.rule.category].fault is not Fault.RECIPIENT:
            example, now = hard[0]
            whose = f"{now.rule} calls hard what is no fault of the recipient's by {taken.rule.name}"
            wide.setdefault(now.rule, doubt(f"{whose}, so it may cut off good customers: {words_of(example)}"))
    yield from wide.values()


def _roles(settings: Settings) -> Iterator[Finding]:
    now_seconds = parts.CLOCK.monotonic_seconds()
    for beat in living(settings.health_folder):
        if not beat.is_fresh(now_seconds):
            yield wrong(
                f"{beat.role} (process {beat.pid}) has not beaten for {beat.silent_seconds(now_seconds):.0f} s: is it frozen?"
            )
        for trouble in beat.troubles:
            yield wrong(f"{beat.role} (process {beat.pid}): {trouble}; its log says why")


def _doors(settings: Settings) -> Iterator[Finding]:
    door_settings(settings)
    taken: dict[Endpoint | Path, str] = {settings.smtp: "smtp", settings.http: "http"}
    for name, listener in settings.doors.listeners():
        if listener.where in taken:
            yield wrong(f"doors.{name} {listener}: {taken[listener.where]} listens there: choose another")
        taken[listener.where] = f"doors.{name}"
        if isinstance(listener.where, Path):
            if not listener.where.parent.is_dir():
                yield wrong(f"doors.{name} {listener}: there is no folder {listener.where.parent}: make it")
        elif not listener.where.host.startswith(_LOOPBACK):
            yield doubt(
                f"doors.{name} {listener}: whoever reaches it may ask who is on the list, for mail servers show no key: let "
                "them alone through, or listen on 127.0.0.1"
            )


def _sqlite_is_there(settings: Settings) -> bool:
    return (settings.data / "nullsender.sqlite").exists()


CHECKS: dict[str, Check] = {
    "settings": _settings,
    "bootstrap key": _bootstrap_key,
    "secret keys (keep a copy of them apart from this machine)": _secrets,
    "store, its schema and API keys": _store,
    "log": _log,
    "certificate": _certificate,
    "doors for mail servers": _doors,
    "rules of your own": _own_rules,
    "roles that run here": _roles,
}
