"""The tables: one schema for SQLite and PostgreSQL.

    numbering          one row: the pen. Whoever locks it writes; every outcome and change takes its number from it
    entries            the list itself
    addresses          the plain address behind a hash, of those with an entry or a strike; a row can be erased without touching
                       the list
    outcomes           every report that was applied, whole; its id is the key that makes the second time a no-op, together with
                       whether it was proven, since the same bytes may come from a stranger first
    changes            every change of the list, numbered in the order in which they became visible
    strikes            the newest soft reports of an address, and the deliveries between them
    deliveries         what was delivered to whom of late: a bounce may come later than the delivery that followed it
    provisional_counts how many provisional entries a source made within an hour
    consumer_offsets   how far a consumer group has come (`nullsender.log.Position`), in the same transaction as what it did
    api_keys           who may ask
    audit              everything that was done, in a chain of hashes that proves it (`suppression/audit`)
    erased             whose plain address and words are not to be written down again, for they asked to be erased
    jobs               long work that somebody asked for, how far it has come and how it ended
    duties             when what comes round is due again
    unsubscribes       how each person asked for no more mail, by when that has to be heeded, and since when it is
    incidents          which reports do not count, and why; incident_reports: which these are, and what they were read as
    held_reports       reports that wait for a review; breaker: how many new entries each key makes, by which they are held
    prehashed          the MD5 or SHA-256 behind a key, of addresses that were brought as such a hash only
    meta               facts about the store itself

What is old and holds nothing up leaves (`store/age.py`). Times are UTC. Addresses are known by their keyed hash
(`nullsender/address.py`) everywhere but in `addresses`.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.types import TypeDecorator

#: The newest revision in `migrations/versions`; a test holds the two together.
SCHEMA_REVISION = "0004"


class UtcTime(TypeDecorator[datetime]):
    """An aware time in, the same moment in UTC out, on either database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """What is stored; SQLite keeps no zone, so it has to be UTC."""
        assert value is None or value.tzinfo is not None, "a time without a zone means something else to everyone"
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """What was stored, aware."""
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


# SQLite keeps a table in the order of an INTEGER key for free; a BIGINT one would be a second index.
_Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

numbering = Table(
    "numbering",
    metadata,
    Column("last", _Number, nullable=False),
    Column("link", LargeBinary),  # the chain of the newest row of `audit`; None: the trail has not begun
)

entries = Table(
    "entries",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("address_hash", LargeBinary, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("id", _Number, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("provisional", Boolean, nullable=False),
    Column("ended_at", UtcTime),  # lifted, or its expiry noted in `changes`
    Column("ended_by", Text),
    Column("lifted_at", UtcTime),  # when it was lifted last, though it stands again
    Column("reason", Text, nullable=False),
    Column("evidence", Text),
    Column("category", Text),
    Column("rule", Text),
    Column("created_by", Text, nullable=False),
    Index("entries_newest", "tenant", "id", unique=True),
)
_to_expire = text("expires_at IS NOT NULL AND ended_at IS NULL")
Index("entries_to_expire", entries.c.expires_at, sqlite_where=_to_expire, postgresql_where=_to_expire)

addresses = Table(
    "addresses",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("address", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Index("addresses_of_domain", "domain", "address_hash"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("proven", Boolean, primary_key=True),
    Column("seq", _Number, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("stream", Text),
    Column("send", Text),  # which send it is about, as a short name; None: nothing but its day can say
    Column("scope", Text),  # of the entry that it asked for; None: it asked for none, or is from before 0004 (`scope_of`)
    Column("address_hash", LargeBinary),  # None: the report names no address
    Column("received_at", UtcTime, nullable=False),
    Column("occurred_at", UtcTime),
    Column("outcome", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("proof", Text, nullable=False),
    Column("did", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("entry_id", _Number),
    Column("body", Text),  # the whole Outcome as JSON; None once it was erased
    Column("policy", Text),  # the version of the policy that decided what it did; None: from before versions
    Index("outcomes_of_address", "tenant", "address_hash", "seq"),
    Index("outcomes_of_span", "received_at"),
)
#: Reports that changed nothing, and those of them whose words are kept still. As text, because a partial index is used only
#: where a question repeats its words.
changed_nothing = text("did IN ('kept', 'counted', 'capped', 'recorded')")
has_idle_words = text("body IS NOT NULL AND did IN ('kept', 'counted', 'capped', 'recorded')")
#: Reports that were set aside: by an incident, by a rule that reads them otherwise today, or for a review.
is_set_aside = text("did IN ('held', 'released')")
Index("outcomes_to_erase", outcomes.c.received_at, sqlite_where=has_idle_words, postgresql_where=has_idle_words)
Index("outcomes_to_drop", outcomes.c.received_at, sqlite_where=changed_nothing, postgresql_where=changed_nothing)
Index("outcomes_set_aside", outcomes.c.received_at, sqlite_where=is_set_aside, postgresql_where=is_set_aside)

changes = Table(
    "changes",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("entry_id", _Number, nullable=False),
    Column("action", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("consent", Text),
    Column("report_id", Text),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("policy", Text),
    Index("changes_of_address", "tenant", "address_hash", "seq"),
)

strikes = Table(
    "strikes",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("address_hash", LargeBinary, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("newest", Text, nullable=False),  # JSON: strikes (`policy/strikes.py`), oldest first
    Column("delivered", Text),  # JSON: times of deliveries, oldest first
    Column("before", Text),  # JSON: what all came to that is not kept any more
    Column("newest_at", UtcTime, nullable=False),
    Index("strikes_to_drop", "newest_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("address_hash", LargeBinary, primary_key=True),
    Column("stream", Text, primary_key=True),  # "": none
    Column("mailing_list", Text, primary_key=True),  # "": none
    Column("delivered_at", UtcTime, primary_key=True),
    Index("deliveries_to_drop", "delivered_at"),
    sqlite_with_rowid=False,
)

provisional_counts = Table(
    "provisional_counts",
    metadata,
    Column("hour", UtcTime, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("made", Integer, nullable=False),
)

consumer_offsets = Table(
    "consumer_offsets",
    metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", _Number, nullable=False),
    Column("mark", LargeBinary, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON
    Column("tenant", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("rate", Integer),  # addresses a second
    Column("networks", Text),  # JSON
)

meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

# --- long work ---------------------------------------------------------------------------------------------------------

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request", Text, nullable=False),  # JSON
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("due_at", UtcTime, nullable=False),  # not to be taken before
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("cursor", Text),
    Column("done", _Number, nullable=False),
    Column("total", _Number),
    Column("tries", Integer, nullable=False),
    Column("lease", Text),  # whoever works on it
    Column("lease_until", UtcTime),
    Column("result", Text),  # JSON
    Column("trouble", Text),
    Index("jobs_of_tenant", "tenant", "created_at", "id"),
)
job_is_open = text("state IN ('waiting', 'working')")
Index("jobs_open", jobs.c.created_at, jobs.c.id, sqlite_where=job_is_open, postgresql_where=job_is_open)

duties = Table("duties", metadata, Column("name", Text, primary_key=True), Column("due_at", UtcTime, nullable=False))

# --- the audit trail ---------------------------------------------------------------------------------------------------

audit = Table(
    "audit",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant", Text),
    Column("actor", Text),
    Column("subject", Text),
    Column("body", Text),  # JSON; None where the content is a row of `changes`, or was erased
    Column("salt", LargeBinary),  # None: the content was erased
    Column("digest", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)
#: As text, for the same reason as above.
is_an_act = text("kind <> 'change'")
Index("audit_acts", audit.c.kind, audit.c.seq, sqlite_where=is_an_act, postgresql_where=is_an_act)
Index("audit_of_subject", audit.c.subject, audit.c.seq, sqlite_where=is_an_act, postgresql_where=is_an_act)

erased = Table(
    "erased",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("tenant", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),  # of the newest erasure
)

# --- unsubscribes ------------------------------------------------------------------------------------------------------

unsubscribes = Table(
    "unsubscribes",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),  # of the change that heeded it, or of the report
    Column("tenant", Text, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("entry_id", _Number),
    Column("scope", Text),
    Column("channel", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("effective_at", UtcTime),  # None: nothing is stopped by it
    Column("why_not", Text),  # then this says why
    Column("jurisdiction", Text, nullable=False),
    Column("limit_at", UtcTime, nullable=False),
    Column("first_refused_at", UtcTime),
    Column("dismissed_at", UtcTime),  # a person looked at it, and nothing is to be stopped
    Column("verified", Text, nullable=False),
    Column("report_id", Text),
    Column("token", Text),
    Column("message", Text),
    Column("ip", Text),
    Column("user_agent", Text),
    Index("unsubscribes_of_address", "tenant", "address_hash", "seq"),
    Index("unsubscribes_of_tenant", "tenant", "seq"),
)
waits_for_effect = text("effective_at IS NULL AND dismissed_at IS NULL")
Index("unsubscribes_waiting", unsubscribes.c.received_at, sqlite_where=waits_for_effect, postgresql_where=waits_for_effect)

# --- incidents ---------------------------------------------------------------------------------------------------------

incidents = Table(
    "incidents",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("marks", Text, nullable=False),  # JSON
    Column("reason", Text, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("job", Text),
    Column("undone_at", UtcTime),
    Column("undone_by", Text),
    Column("undone_because", Text),
)

incident_reports = Table(
    "incident_reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("proven", Boolean, primary_key=True),
    Column("incident_id", _Number, primary_key=True, autoincrement=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("own", Text, nullable=False),  # JSON: what it was read as before any incident
    Column("read_as", Text),  # JSON: what a bad-rule incident made of it; None: it is set aside
    Index("incident_reports_of", "incident_id", "address_hash"),
)

held_reports = Table(
    "held_reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("proven", Boolean, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),  # of the breaker that holds it
    Column("address_hash", LargeBinary, nullable=False),
    Column("held_at", UtcTime, nullable=False),
    Index("held_reports_of", "tenant", "key", "address_hash"),
)

prehashed = Table(
    "prehashed",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),  # `md5:HEX` or `sha256:HEX`
)

breaker = Table(
    "breaker",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("tally", Text, nullable=False),  # JSON
    Column("open_since", UtcTime),
    Column("counted_at", UtcTime, nullable=False),
)
