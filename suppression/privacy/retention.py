"""How long each kind of personal data is kept, why, and who removes it: the one table of it. Pure.

`docs/privacy.md` shows it, `nullsender retention` shows it as it is set, certificates of erasure quote it, and what removes
reads its days from here. A test sees to it that every table of the store has its row.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import ceil
from typing import NamedTuple

import msgspec

from nullsender import limits


class DataKind(StrEnum):
    """Every kind of data that says something of a person."""

    SUPPRESSION = "suppression"
    PLAIN_ADDRESSES = "plain-addresses"
    REPORT_WORDS = "report-words"
    REPORTS = "reports"
    ENDED_ENTRIES = "ended-entries"
    STRIKES = "strikes"
    DELIVERIES = "deliveries"
    UNHEEDED = "unheeded"
    UNSUBSCRIBE_SOURCES = "unsubscribe-sources"
    AUDIT_WORDS = "audit-words"
    AUDIT_DIGESTS = "audit-digests"
    SOURCES = "sources"
    TALLIES = "tallies"
    JOBS = "jobs"
    EXPORT_FILES = "export-files"
    IMPORT_FILES = "import-files"
    RAW_MAIL = "raw-mail"
    LOGGED_REPORTS = "logged-reports"
    DEAD_LETTERS = "dead-letters"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set, in days."""

    plain_address_days: int = limits.PLAIN_ADDRESSES_KEPT_DAYS
    unsubscribe_source_days: int = limits.UNSUBSCRIBE_SOURCES_KEPT_DAYS
    audit_words_days: int = limits.AUDIT_WORDS_KEPT_DAYS
    history_days: int = limits.HISTORY_KEPT_DAYS
    export_days: int = limits.EXPORT_KEPT_DAYS
    import_days: int = limits.IMPORT_KEPT_DAYS
    log_spare: int = 0  # the log is Kafka: it keeps a record at most one part in so many longer than it should; 0: it does not


class Rule(NamedTuple):
    """One row of the table. `days` None: for as long as mail has to be stopped."""

    kind: DataKind
    what: str
    tables: tuple[str, ...]  # of the store; none: it lies elsewhere
    days: int | None
    since: str  # what the days are counted from
    setting: str | None  # what moves it
    why: str
    by: str  # who removes it


_LIST, _JOBS, _LOG = "suppress", "jobs", "the log"

_TABLE = (
    Rule(
        DataKind.SUPPRESSION,
        "who must not be mailed: keyed hash, cause, scope, dates",
        ("entries", "prehashed", "erased"),
        None,
        "",
        None,
        "a person who asked for no mail would get it again otherwise",
        "a lift or its expiry; then it is an ended entry",
    ),
    Rule(
        DataKind.PLAIN_ADDRESSES,
        "plain addresses of those whom no entry stops any more",
        ("addresses",),
        limits.PLAIN_ADDRESSES_KEPT_DAYS,
        "the end of the last entry",
        "privacy.plain_address_days",
        "people have to see whom a lift was about while it may be a mistake",
        _LIST,
    ),
    Rule(
        DataKind.REPORT_WORDS,
        "the words of reports that changed nothing",
        (),
        limits.OUTCOME_BODIES_KEPT_DAYS,
        "receipt",
        None,
        "anybody can send them, and a wrong rule has to be seen as long as it can be replayed",
        _LIST,
    ),
    Rule(
        DataKind.REPORTS,
        "that a report came, which changed nothing or was set aside",
        ("outcomes", "held_reports", "incident_reports"),
        limits.HISTORY_KEPT_DAYS,
        "receipt",
        "store.history_days",
        "should it come again it must not count again",
        _LIST,
    ),
    Rule(
        DataKind.ENDED_ENTRIES,
        "ended entries with their history, reports and evidence of unsubscribes",
        ("changes", "unsubscribes"),
        limits.HISTORY_KEPT_DAYS,
        "the end",
        "store.history_days",
        "who lifted what, and with whose consent, has to be proven for as long as somebody may ask",
        _LIST,
    ),
    Rule(
        DataKind.STRIKES,
        "counts of soft bounces",
        ("strikes",),
        limits.STRIKES_KEPT_DAYS,
        "the newest",
        None,
        "the next entry lasts longer than the one before",
        _LIST,
    ),
    Rule(
        DataKind.DELIVERIES,
        "who was delivered to",
        ("deliveries",),
        limits.SOFT_LATE_DAYS,
        "delivery",
        None,
        "a bounce of an earlier send may come later than the delivery",
        _LIST,
    ),
    Rule(
        DataKind.UNHEEDED,
        "unsubscribes that stopped nothing by themselves",
        (),
        limits.HISTORY_KEPT_DAYS,
        "receipt",
        "store.history_days",
        "they prove why a wish was not heeded at once",
        _LIST,
    ),
    Rule(
        DataKind.UNSUBSCRIBE_SOURCES,
        "IP address and browser of who unsubscribed",
        (),
        limits.UNSUBSCRIBE_SOURCES_KEPT_DAYS,
        "receipt",
        "privacy.unsubscribe_source_days",
        "they prove that the person asked, while a regulator may still ask about that year's mail",
        _LIST,
    ),
    Rule(
        DataKind.AUDIT_WORDS,
        "what people typed as reasons of acts and incidents",
        ("incidents",),
        limits.AUDIT_WORDS_KEPT_DAYS,
        "the act",
        "privacy.audit_words_days",
        "as long as histories: they may name somebody",
        _LIST,
    ),
    Rule(
        DataKind.AUDIT_DIGESTS,
        "the chain of the audit trail, which names nobody",
        ("audit",),
        None,
        "",
        None,
        "it proves that nothing was altered, for ever",
        "nobody",
    ),
    Rule(
        DataKind.SOURCES,
        "how many provisional entries an IP address made within an hour",
        ("provisional_counts",),
        limits.PROVISIONAL_COUNTS_KEPT_DAYS,
        "the hour",
        None,
        "long enough to be looked at after an attack",
        _LIST,
    ),
    Rule(
        DataKind.TALLIES,
        "how many entries a rule, a provider, an IP address or a category makes",
        ("breaker",),
        limits.BREAKER_DAYS,
        "the newest",
        None,
        "to see when it suddenly makes far more",
        _JOBS,
    ),
    Rule(
        DataKind.JOBS,
        "who asked for an export, import or other work, and how it ended",
        ("jobs",),
        limits.JOBS_KEPT_DAYS,
        "the end",
        None,
        "who took the list out of the house is asked a year later",
        _JOBS,
    ),
    Rule(
        DataKind.EXPORT_FILES,
        "files of finished exports",
        (),
        limits.EXPORT_KEPT_DAYS,
        "the end",
        "exports.days",
        "time to fetch them",
        _JOBS,
    ),
    Rule(
        DataKind.IMPORT_FILES,
        "files that were brought to be imported, and the lists of refused rows",
        (),
        limits.IMPORT_KEPT_DAYS,
        "the end",
        "imports.days",
        "time to mend and bring again what was refused",
        _JOBS,
    ),
    Rule(
        DataKind.RAW_MAIL,
        "mail as it came in",
        (),
        limits.LOG_RAW_DAYS,
        "receipt",
        None,
        "evidence for what was made of it, and to read it again with a mended rule",
        _LOG,
    ),
    Rule(
        DataKind.LOGGED_REPORTS,
        "reports and outcomes on the log",
        (),
        limits.LOG_REPORT_DAYS,
        "receipt",
        None,
        "to be replayed with a mended rule",
        _LOG,
    ),
    Rule(
        DataKind.DEAD_LETTERS,
        "mail that could not be dealt with",
        (),
        limits.LOG_DEAD_LETTER_DAYS,
        "the failure",
        None,
        "people have to look at it, and to replay it",
        _LOG,
    ),
)
assert {rule.kind for rule in _TABLE} == set(DataKind)
#: The days that an operator may set: under which name they stand in `Kept`.
_SET: Mapping[DataKind, str] = {
    DataKind.PLAIN_ADDRESSES: "plain_address_days",
    DataKind.REPORTS: "history_days",
    DataKind.ENDED_ENTRIES: "history_days",
    DataKind.UNHEEDED: "history_days",
    DataKind.UNSUBSCRIBE_SOURCES: "unsubscribe_source_days",
    DataKind.AUDIT_WORDS: "audit_words_days",
    DataKind.EXPORT_FILES: "export_days",
    DataKind.IMPORT_FILES: "import_days",
}
assert _SET.keys() == {rule.kind for rule in _TABLE if rule.setting}


def rules_of(kept: Kept) -> Mapping[DataKind, Rule]:
    """The table as it is set."""
    return {rule.kind: rule._replace(days=_days(rule, kept)) for rule in _TABLE}


def _days(rule: Rule, kept: Kept) -> int | None:
    if rule.kind in _SET:
        return int(getattr(kept, _SET[rule.kind]))
    if rule.by == _LOG and rule.days and kept.log_spare:
        return rule.days + ceil(rule.days / kept.log_spare)
    return rule.days


#: What leaves when its file or record does, raw mail on the embedded log sooner.
_IN_FILES = (DataKind.EXPORT_FILES, DataKind.IMPORT_FILES, DataKind.RAW_MAIL, DataKind.LOGGED_REPORTS, DataKind.DEAD_LETTERS)


def leaving_later(kept: Kept) -> Sequence[Rule]:
    """What an erasure leaves to time."""
    table = rules_of(kept)
    return [table[kind] for kind in _IN_FILES]
