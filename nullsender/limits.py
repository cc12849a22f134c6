"""Every bound of the system: its unit in its name, its reason beside it.

A bound that an operator may want to move is a setting (`config.py`) whose default stands here.
"""

# --- addresses ---------------------------------------------------------------------------------------------------------
# RFC 5321 4.5.3.1 allows 64 + 1 + 255 octets; real systems take no more than 254, but reports quote longer ones.
ADDRESS_CHARACTERS_MAX = 320

# --- the log -----------------------------------------------------------------------------------------------------------
# A record holds one report, or one raw message with a little around it.
RECORD_BYTES_MAX = 64 * 2**20
# An acknowledgement that takes longer is no longer worth waiting for: the SMTP client gets 451 and keeps its mail.
PUBLISH_SECONDS_MAX = 20.0
# Records a consumer takes at once: enough to spread the cost of a commit, few enough to be redone quickly after a crash.
POLL_RECORDS_MAX = 500

# --- consuming ---------------------------------------------------------------------------------------------------------
# How often our own code may fail on one record before the record is set aside (kept whole) so that the stage goes on.
RECORD_ATTEMPTS_MAX = 3
# Dead letters in a row before a consumer stops: so many mean that we are at fault, not the records.
DEAD_LETTERS_IN_A_ROW_MAX = 100
# Waits between tries of a batch that may work later: first, and at most.
RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 10.0
# How long one poll waits for a record; a stopping consumer is gone after this.
POLL_SECONDS = 0.5
# How often a consumer counts what it has not dealt with: a gauge for people, so seconds are enough.
LAG_EVERY_SECONDS = 2.0

# --- supervision -------------------------------------------------------------------------------------------------------
# Waits before a role that died is started again: first, and at most.
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 30.0
# A role that lived this long is healthy again: its next death starts from the shortest wait.
HEALTHY_AFTER_SECONDS = 30.0
# How long a role may take to stop by itself before it is killed; longer than any time-out inside a role.
STOP_SECONDS_MAX = 25.0

# --- settings' defaults -------------------------------------------------------------------------------------------------
# A DSN that returns the whole original carries what was sent; ten MiB is what most senders are limited to themselves.
MESSAGE_BYTES_MAX = 10 * 2**20
# An unproven report may be a mistake or a forgery: it protects the address for a week, no longer.
PROVISIONAL_DAYS = 7
# What one source may do unproven within an hour; more is a broken MTA or an attack on the list.
PROVISIONAL_PER_SOURCE_AND_HOUR_MAX = 1000
# Soft bounces within the window that make an entry: systems in the field use three to five (one bad day is not enough).
SOFT_BOUNCES_MAX = 5
SOFT_WINDOW_DAYS = 14
# A mailbox that was full may be emptied: ask again after a week.
SOFT_ENTRY_DAYS = 7
# How old the lookup table may be before lookups ask the store itself.
LOOKUP_STALENESS_SECONDS_MAX = 1.0
