"""What the system says of itself: every metric with its help and remedy, and the one shape of a log line.

Metrics are declared here and nowhere else; `docs/metrics.md` is generated from these declarations. Under `nullsender up` every
role writes its numbers into one folder (PROMETHEUS_MULTIPROC_DIR, set for it by the supervisor), so `/metrics` shows them all.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess, start_http_server

from nullsender import counting


@dataclass(frozen=True)
class Declared:
    """One metric as its documentation shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    remedy: str


DECLARED: list[Declared] = []


def _declare(name: str, kind: str, labels: tuple[str, ...], help_text: str, remedy: str) -> tuple[str, str, tuple[str, ...]]:
    DECLARED.append(Declared(name, kind, labels, help_text, remedy))
    return name, help_text, labels


def counter(name: str, help_text: str, labels: tuple[str, ...] = (), *, remedy: str = "") -> Counter:
    """Declare a number that only grows (`name` ends in `_total`); `remedy` says what to do when it grows unexpectedly."""
    return Counter(*_declare(name, "counter", labels, help_text, remedy))


def gauge(
    name: str,
    help_text: str,
    labels: tuple[str, ...] = (),
    *,
    of_processes: Literal["mostrecent", "livesum", "livemax"] = "mostrecent",
    remedy: str = "",
) -> Gauge:
    """Declare a number that goes up and down.

    `of_processes` says which number is shown where several processes have one: that which was written last, or of those that
    live the sum or the largest.
    """
    return Gauge(*_declare(name, "gauge", labels, help_text, remedy), multiprocess_mode=of_processes)


_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def histogram(name: str, help_text: str, labels: tuple[str, ...] = (), *, remedy: str = "") -> Histogram:
    """Declare a duration in seconds (`name` ends in `_seconds`)."""
    return Histogram(*_declare(name, "histogram", labels, help_text, remedy), buckets=_SECONDS)


# --- unsubscribing ----------------------------------------------------------------------------------------------------

UNSUBSCRIBE_REQUESTS = counter(
    "nullsender_unsubscribe_requests_total",
    "Unsubscribes over HTTP, by how they came (one-click, page) and what came of it: heeded, expired (a link that is too old "
    "makes an entry for some days), unknown (no link of ours).",
    ("channel", "came"),
    remedy="Many `unknown`: links of other keys (did the secrets file change?), links that are cut, or somebody who tries.",
)
UNSUBSCRIBES_WAITING = gauge(
    "nullsender_unsubscribes_not_effective",
    "Unsubscribes that reached us and stop no mail yet: on the log, set aside as dead letters, withheld.",
    remedy="`nullsender deadlines --at-risk` shows each, with what keeps it and what to do.",
)
UNSUBSCRIBES_OLDEST = gauge(
    "nullsender_unsubscribe_oldest_not_effective_seconds",
    "Age of the oldest unsubscribe that stops no mail yet; 0 where there is none.",
    remedy="Past an hour: `nullsender deadlines --at-risk`. The house's own limit is a day, that of Gmail and Yahoo two.",
)
UNSUBSCRIBES_AT_RISK = gauge(
    "nullsender_unsubscribes_at_risk",
    "Those of them whose limit is near: less than a quarter of the time is left.",
    remedy="Act now: `nullsender deadlines --at-risk`.",
)
UNSUBSCRIBES_BREACHED = gauge(
    "nullsender_unsubscribes_breached",
    "Those of them whose limit is over.",
    remedy="Put the address on the list by hand (`PUT /v1/suppressions/…`), and find out what held it up.",
)

# --- consuming ---------------------------------------------------------------------------------------------------------

RECORDS_DONE = counter("nullsender_records_done_total", "Records dealt with, by consumer group and topic.", ("group", "topic"))
RECORDS_DEAD = counter(
    "nullsender_records_dead_total",
    "Records set aside as dead letters, by consumer group and topic.",
    ("group", "topic"),
    remedy="`nullsender dead-letters list` shows each with its reason; replay them after the cause is gone.",
)
CONSUMER_BRAKED = gauge(
    "nullsender_consumer_braked",
    "1 while a consumer goes no further because too many records in a row can not be dealt with.",
    ("group", "topic"),
    of_processes="livemax",
    remedy="`nullsender dead-letters list` shows why; nothing is lost meanwhile. It goes on by itself when the cause is gone.",
)
BATCH_RETRIES = counter(
    "nullsender_batch_retries_total",
    "Batches that did not work and are tried again, by consumer group.",
    ("group",),
    remedy="The log line beside it says what failed; nothing is lost while it lasts.",
)
CONSUMER_LAG = gauge(
    "nullsender_consumer_lag_records",
    "Records that a consumer group has not dealt with yet, by group and topic, of the partitions that somebody reads.",
    ("group", "topic"),
    of_processes="livesum",
    remedy="Growing lag: start more processes of the role, or look at nullsender_batch_retries_total.",
)
CONSUMER_BUSY = gauge(
    "nullsender_consumer_busy_seconds",
    "How long ago a consumer that has records in hand last dealt with one; 0 while it has none.",
    ("group", "topic"),
    of_processes="livemax",
    remedy="It is stuck, braked, or tries again and again: the role's log says which, with the stack where it hangs.",
)
CONSUMER_OLDEST = gauge(
    "nullsender_consumer_oldest_record_seconds",
    "Age of the oldest record that a consumer has in hand, since it was put on the log; 0 while it has none.",
    ("group", "topic"),
    of_processes="livemax",
    remedy="It grows while records wait: start more processes of the role, or see nullsender_consumer_busy_seconds.",
)
RECORD_AGE = histogram(
    "nullsender_record_age_seconds",
    "How long the oldest record of a batch lay on the log before it was dealt with, by consumer group and topic.",
    ("group", "topic"),
    remedy="See nullsender_consumer_lag_records.",
)

# --- deciding ----------------------------------------------------------------------------------------------------------

OUTCOMES = counter(
    "nullsender_outcomes_total",
    "Reports decided, by outcome and category.",
    ("outcome", "category"),
    remedy="Many of category `unknown`: see nullsender_unknown_replies_total; or reports that say nothing at all.",
)
BLOCKLISTED = counter(
    "nullsender_blocklisted_total",
    "Refusals for a block list or a bad name, by the list that they name (`other`: one that we do not know, or none).",
    ("list",),
    remedy="`nullsender explain` shows our address and the list; its own page says how to get off, after the cause is gone.",
)
UNKNOWN_REPLIES = counter(
    "nullsender_unknown_replies_total",
    "Replies in words that no rule knows.",
    remedy="New wording is about: `nullsender rules unknown` shows it by template, with a rule to begin from (docs/rules.md).",
)

# --- the list ---------------------------------------------------------------------------------------------------------

APPLIED = counter(
    "nullsender_applied_total",
    "Reports applied to the list, by what they did "
    "(added, hardened, renewed, released, amended, kept, counted, capped, recorded, repeated).",
    ("did",),
    remedy="`capped`: a source makes more provisional entries an hour than it may; see which in the log of `suppress`, and "
    "name it in mx.trusted_sources if it is yours. Many `repeated`: a consumer starts over and over.",
)
DELIVERIES = counter(
    "nullsender_deliveries_total",
    "Deliveries that were told of at POST /v1/deliveries and counted.",
    remedy="None for hours, though mail is sent: whatever reports them stands still, and soft bounces are never reset.",
)
STORE_TURN_SECONDS = histogram(
    "nullsender_store_turn_seconds",
    "How long a write to the store took, its wait for the turn and its commit included.",
    remedy="Slow turns: look at the disk of the database, and for a process that holds a transaction open.",
)

STORE_RETRIES = counter(
    "nullsender_store_retries_total",
    "Writes to the store that another transaction undid, or of which the commit's fate was unknown, and that were tried again.",
    remedy="Any at all: somebody else writes in our tables, or connections to the database break; its log says which.",
)

# --- jobs --------------------------------------------------------------------------------------------------------------

JOBS = counter(
    "nullsender_jobs_total",
    "Long jobs that were worked on, by kind and how that ended (complete, broken, cancelled, interrupted, tried-again).",
    ("kind", "ended"),
    remedy="`broken`: the job says why (`GET /v1/jobs/{id}`). Many `tried-again`: the log of `jobs` says what is in the way.",
)

HELD_REPORTS = gauge(
    "nullsender_held_reports",
    "Reports of hard failures that the breaker holds for a review.",
    remedy="`nullsender review list` shows by what they are held; release or reject them (docs/incidents.md).",
)
HELD_OLDEST = gauge(
    "nullsender_held_oldest_seconds",
    "How long the oldest of them has been held.",
    remedy="Nothing is applied or dropped by itself: somebody has to look, with `nullsender review list`.",
)
BREAKER_OPEN = gauge(
    "nullsender_breaker_open",
    "Rules, providers, sending addresses, sources and categories whose new hard entries are held now.",
    ("by",),
    remedy="Something makes far more of them than usual: a mistake of ours, an outage, or a rule that is wrong.",
)

# --- supervision -------------------------------------------------------------------------------------------------------

ROLE_RESTARTS = counter(
    "nullsender_role_restarts_total",
    "Roles that died and were started again by `nullsender up`.",
    ("role",),
    remedy="The role's last log lines say why it died.",
)

# --- lookups -----------------------------------------------------------------------------------------------------------

LOOKUPS = counter(
    "nullsender_lookups_total",
    "Addresses asked about, by where the answer came from: the table in memory, the store, or nobody (lookup.allow_unknown).",
    ("answered_by",),
    remedy="Many from the store although few are suppressed: see nullsender_lookup_staleness_seconds. From nobody: mail went "
    "unchecked, because neither the table nor the store could answer.",
)
LOOKUP_OVERRULED = counter(
    "nullsender_lookup_overruled_total",
    "Addresses that the table had for suppressed and the store did not: lifted a moment ago, or their entry's time was over.",
    remedy="More than a few a day: `nullsender index verify` compares the whole table with the list.",
)
LOOKUP_STALENESS = gauge(
    "nullsender_lookup_staleness_seconds",
    "How long ago the lookup table is known to have had every change of the list.",
    remedy="Past the bound (lookup.staleness_seconds_max) lookups ask the store. The log of the role `follow` says why.",
)
LOOKUP_TABLE_ENTRIES = gauge("nullsender_lookup_table_entries", "Entries that stand in the lookup table of this machine.")
LOOKUP_DELAY = histogram(
    "nullsender_lookup_delay_seconds",
    "From a change of the list to the moment at which every process of this machine answers by it.",
    remedy="Above a second though the store is quick: the log of the role `follow`, and whether the machines' clocks agree.",
)
LOOKUP_TABLE_BUILDS = counter(
    "nullsender_lookup_table_builds_total",
    "Lookup tables made from the list: at the first start, when the table could not be believed, and when somebody asked.",
    remedy="More often than that: the log of the role `follow` says why.",
)

# --- the HTTP API ------------------------------------------------------------------------------------------------------

API_REQUESTS = counter(
    "nullsender_api_requests_total",
    "Requests answered, by route and status.",
    ("route", "status"),
    remedy="Many 503: the store is in trouble or overloaded. Any 500 is a bug of ours: the log holds its traceback.",
)
API_SECONDS = histogram(
    "nullsender_api_request_seconds",
    "How long a request took, by route.",
    ("route",),
    remedy="Slow lookups: see nullsender_lookups_total for how many had to ask the store.",
)

# --- doors for mail servers --------------------------------------------------------------------------------------------

DOOR_ANSWERS = counter(
    "nullsender_door_answers_total",
    "Questions of mail servers, by door and by what was said: allowed, suppressed, invalid, unknown or refused.",
    ("door", "answer"),
    remedy="unknown: nobody could tell, and the mail waits; is the store away? refused: the log says what is wrong with them.",
)
DOOR_SHADOWED = counter(
    "nullsender_door_shadowed_total",
    "Mail that went although it would not have gone: nullsender is on trial (doors.shadow), by door.",
    ("door",),
)
DOOR_SECONDS = histogram(
    "nullsender_door_seconds",
    "How long a mail server's question took, by door.",
    ("door",),
    remedy="Slow answers: see nullsender_lookups_total for how many had to ask the store.",
)
DOOR_CONNECTIONS = gauge(
    "nullsender_door_connections",
    "Connections of mail servers that are open.",
    of_processes="livesum",
    remedy="Near 2,000 new ones are refused: let the mail server run fewer processes, or run several machines.",
)
DIRECTORY_ADDRESSES = gauge(
    "nullsender_dns_directory_addresses",
    "Addresses whose hashes the DNS zone knows, those of entries long gone included.",
)
ADDRESS_FILES = counter(
    "nullsender_address_files_total",
    "Files of addresses for mail servers (doors.files): written anew, found to be the same already, or failed.",
    ("outcome",),
    remedy="failed: the log of the role `doors` says why; the mail server goes on with the file that it has.",
)
ADDRESS_FILE_ADDRESSES = gauge("nullsender_address_file_addresses", "Addresses in a file for mail servers.", ("file",))
ADDRESS_FILE_LEFT_OUT = gauge(
    "nullsender_address_file_left_out",
    "Entries that a file for mail servers can not hold: their address was erased, or means something else there.",
    ("file",),
    remedy="Let such mail be asked for by another door as well: only these know them.",
)
ADDRESS_FILE_COMMANDS = counter(
    "nullsender_address_file_commands_total",
    "Runs of doors.files_command, by how they ended: done or failed.",
    ("outcome",),
    remedy="failed: the mail server has not read its files again; the log says what the command said. It is tried again.",
)


# --- the MX ------------------------------------------------------------------------------------------------------------

MX_MESSAGES = counter(
    "nullsender_mx_messages_total",
    "Messages recorded, by what they are.",
    ("kind",),
    remedy="Many `unreadable`: `nullsender dead-letters list` shows each with its reason.",
)
MX_NAMELESS = counter(
    "nullsender_mx_nameless_complaints_total",
    "Complaints and unsubscribes recorded that name nobody whom we know: their providers blackened the address.",
    remedy="Send with the token header or with signed return paths (docs/operations.md): most providers return those.",
)
MX_RECORDS = counter(
    "nullsender_mx_records_total",
    "Records that the MX put on the log, by topic: a message's bytes, its reports, or the dead letter that it became.",
    ("topic",),
    remedy="Every report becomes an outcome: fewer in nullsender_outcomes_total for long means that `classify` lags.",
)
MX_DEFERRED = counter(
    "nullsender_mx_deferred_total",
    "Messages answered 451 because they could not be recorded; their senders keep them and come again.",
    remedy="Look at the disk and the log of the MX: the line beside it says what failed.",
)
MX_REFUSALS = counter(
    "nullsender_mx_refusals_total",
    "Replies other than yes, by their name in ingest/mx/replies.py.",
    ("reply",),
    remedy="`too_many_…`: somebody floods us, or a limit is too low; `no_such_mailbox`: mail for addresses we never made.",
)
MX_RECORDING = histogram(
    "nullsender_mx_recording_seconds",
    "From the end of a message to its records being durable.",
    remedy="Slow: the disk under the log, or too many messages for one process.",
)

# --- the embedded log --------------------------------------------------------------------------------------------------

LOG_COMMIT_SECONDS = histogram(
    "nullsender_log_commit_seconds",
    "How long one commit took, by topic; every record that waited is in one.",
    ("topic",),
    remedy="Slow commits are a slow disk, or another process that keeps the topic busy.",
)
LOG_REFUSED = counter(
    "nullsender_log_refused_records_total",
    "Records that the log could not make durable, by topic. Whoever published them was told so and tries again.",
    ("topic",),
    remedy="The log line beside it says why: no space, a topic full of unread records, or a disk in trouble.",
)
LOG_BYTES = gauge(
    "nullsender_log_bytes",
    "Bytes that a topic holds. At its limit the oldest records go, or new ones are refused when a group has yet to read those.",
    ("topic",),
    remedy="Near the limit with a growing nullsender_consumer_lag_records: the role that reads the topic is down or too slow.",
)
LOG_TRIMMED = counter(
    "nullsender_log_trimmed_records_total",
    "Records that left because they were too old or the topic full, by topic; every group had dealt with them.",
    ("topic",),
)

# --- the log on Kafka --------------------------------------------------------------------------------------------------

KAFKA_REFUSED = counter(
    "nullsender_kafka_refused_total",
    "Calls to publish that Kafka did not acknowledge. Whoever published was told so and tries again.",
    remedy="The log line beside it says why: no broker answers, or too few replicas are in sync.",
)
KAFKA_REBUILDS = counter(
    "nullsender_kafka_producer_rebuilds_total",
    "Producers that were broken for good and made anew.",
    remedy="Kafka and a producer disagreed on what was written: was a broker's disk lost or put back?",
)


def serve(host: str, port: int) -> None:
    """Show this process's numbers over HTTP, at any path, for as long as it lives. `OSError`: the port can not be had."""
    start_http_server(port, host)


def exposition() -> bytes:
    """Every metric of every process, in the text format of Prometheus."""
    counting.flush()
    registry = CollectorRegistry()
    try:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:
        return generate_latest()  # this process stands alone: it was given no folder to share
    return generate_latest(registry)


def bury_process(folder: Path, pid: int, *, died_young: bool) -> None:
    """Remove from `folder` what a process that died no longer says: its gauges of the living.

    Its counts stay, for they are part of the sums; but not those of one that died young, so that one which keeps dying does not
    fill `folder`.
    """
    for file in folder.glob(f"*_{pid}.db" if died_young else f"gauge_live*_{pid}.db"):
        file.unlink(missing_ok=True)


def metrics_page() -> str:
    """`docs/metrics.md`."""
    rows = [
        f"| `{m.name}` | {m.kind} | {', '.join(m.labels)} | {m.help} | {m.remedy} |"
        for m in sorted(DECLARED, key=lambda m: m.name)
    ]
    head = "# Metrics\n\nGenerated from `nullsender/telemetry.py` by `make docs`; `GET /metrics` shows them.\n"
    return "\n".join(
        [head, "| metric | kind | labels | what it counts | what to do |", "| --- | --- | --- | --- | --- |", *rows, ""]
    )


# They say at `info` what one of our own lines says already, or what nobody wants to know.
_TALKATIVE_LIBRARIES = ("alembic", "mail.log", "uvicorn")


class LogfmtFormatter(logging.Formatter):
    """One line a record: time, level, logger, message, then what `extra={"facts": {...}}` holds as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; line ends inside a value are escaped, so nobody's mail can forge a second line."""
        facts: Mapping[str, object] = getattr(record, "facts", {})
        words = [
            self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            record.levelname.lower(),
            record.name,
            _value(record.getMessage()),
        ]
        words += [f"{key}={_value(value)}" for key, value in facts.items()]
        if record.exc_info:
            words.append(f"traceback={json.dumps(self.formatException(record.exc_info))}")
        return " ".join(words)


def _value(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not any(c in text for c in ' ="')
    return text if plain and text else json.dumps(text)


def start_logging(level: str) -> None:
    """Send every log line of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for talkative in _TALKATIVE_LIBRARIES:
        logging.getLogger(talkative).setLevel(max(logging.WARNING, logging.getLogger().level))
