"""Every bound of the system: its unit in its name, its reason beside it.

A bound that an operator may want to move is a setting (`config.py`) whose default stands here.
"""

# --- addresses ---------------------------------------------------------------------------------------------------------
# RFC 5321 4.5.3.1 allows 64 + 1 + 255 octets; real systems take no more than 254, but reports quote longer ones.
ADDRESS_CHARACTERS_MAX = 320

# Tenants and streams: short enough to stand in a return path beside an address, long enough for a person to read.
NAME_LENGTH_MAX = 64

# --- keys ---------------------------------------------------------------------------------------------------------------
# A key that is to work for longer than ten years is one without an end.
KEY_DAYS_MAX = 3650
# A key that a person chose can be guessed when it is shorter; `doctor` says so, and a test may use what it likes.
BOOTSTRAP_KEY_CHARACTERS_MIN = 16
# Time enough to roll out a new key everywhere; past it the old one was forgotten, not rotated.
KEY_OVERLAP_HOURS_MAX = 24 * 90

# --- the clock ---------------------------------------------------------------------------------------------------------
# How far the wall clock may be set against the monotonic one at once: NTP slews less, and a jump that matters is hours or days.
CLOCK_STEP_SECONDS_MAX = 60.0
# How long after a jump nothing is ended or erased by the wall clock: time for somebody to see the error and to mend it. Waiting
# costs nothing: an entry stops no mail from the moment it expires, noted or not.
CLOCK_DISTRUSTED_SECONDS = 3_600.0

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
# How many processes in a row may die while they try one record, and nothing else, before it is set aside: a kill or a full
# memory may hit any record once, and even twice.
RECORD_DEATHS_MAX = 3
# When a trial that does nothing but wait is over: what kills does so at once or while it works, and whoever waits for an absent
# store for an hour is killed in that hour by people. And how often it is looked: a small part of that.
RECORD_WAITS_SECONDS_MAX = 1.0
RECORD_WAITS_LOOK_SECONDS = 0.1
# How long a process lives, at least (twice as long at most), before it tries a record again of which one died: many times as
# long as a trial that waits, so that a death which has nothing to do with the record comes before.
RECORD_TRIAL_AFTER_SECONDS = 5.0
# Dead letters in a row before a consumer stops: so many mean that we are at fault, not the records.
DEAD_LETTERS_IN_A_ROW_MAX = 100
# Waits between tries of a batch that may work later: first, and at most.
RETRY_SECONDS_MIN = 0.05
RETRY_SECONDS_MAX = 10.0
# How long one poll waits for a record; a stopping consumer is gone after this.
POLL_SECONDS = 0.5
# How often a consumer counts what it has not dealt with: a gauge for people, so seconds are enough.
LAG_EVERY_SECONDS = 2.0

# With less than this free on the data folder's disk the operator should act: the log alone may grow by more within an hour.
DISK_FREE_BYTES_MIN = 2 * 2**30
# How many records may wait for a stage before the system calls itself not ready.
READY_LAG_RECORDS_MAX = 100_000
# How often expired entries are noted in the history and old words erased, and how many in one transaction.
EXPIRE_EVERY_SECONDS = 5.0
EXPIRE_BATCH_MAX = 500

# --- health ------------------------------------------------------------------------------------------------------------
# How often a role says that it lives; without a word for so long it counts as dead. A beat is a small write.
BEAT_SECONDS = 2.0
BEAT_SECONDS_MAX = 15.0
# The size of a beat's file: the troubles of a role's few loops, a sentence each.
BEAT_BYTES = 4_096
# A loop that does not move for so long is said to be stuck: everything that it may wait for has a time-out, and a write that
# takes the longest of them (STORE_WRITE_SECONDS_MAX) is worth a look.
STUCK_SECONDS = 60.0
# After so long it is not waited for any more: the process ends and is started again.
STUCK_SECONDS_MAX = 180.0
# When a consumer counts as degraded: it has dealt with nothing for so long though records wait, or one has waited for so long.
READY_BUSY_SECONDS_MAX = 30.0
READY_AGE_SECONDS_MAX = 900.0
# With less than this free the disk counts as nearly full: an hour of a busy MX. `doctor` warns earlier (DISK_FREE_BYTES_MIN).
READY_DISK_FREE_BYTES_MIN = 512 * 2**20
# How often the API looks how the pipeline is, and how old its last look may be: /readyz repeats it, however often it is asked.
READY_EVERY_SECONDS = 1.0
READY_LOOK_SECONDS_MAX = 30.0

# --- doctor ------------------------------------------------------------------------------------------------------------
# With fewer files left than this the disk is as good as full: the log, the list and a few logs make some hundred.
DISK_FILES_FREE_MIN = 10_000
# An fsync of a sound disk takes up to 20 ms; one that takes this long limits the MX to a few commits a second.
FSYNC_SECONDS_MAX = 0.5
# NTP keeps clocks within milliseconds; a bound of seconds tells one that nobody keeps from a slow answer.
CLOCKS_APART_SECONDS_MAX = 2.0
# What the DNS may take for one question, all its name servers together.
DNS_SECONDS_MAX = 3.0
# The oldest PostgreSQL that gets security fixes and that we have tried.
POSTGRESQL_VERSION_MIN = (14,)
# When an API key that ends is told of: time to roll out the next one.
KEY_ENDS_SOON_DAYS = 14

# --- replay ------------------------------------------------------------------------------------------------------------
# A report is appended after it was received, but the clocks of two machines differ, and one may have been mended meanwhile.
REPLAY_APPENDED_EARLIER_SECONDS_MAX = 3_600
# Reports that are read otherwise before a replay stops: more are a mistake more often than a mended rule.
REPLAY_DIFFERENCES_MAX = 100_000
# Temporary files of a dry run: one of them is held in memory at a time.
REPLAY_FILES = 32
# Examples of each kind that are shown to a person.
REPLAY_EXAMPLES_MAX = 3
# Of the words of a reply, an example shows so many: two lines of a terminal.
REPLAY_EXAMPLE_CHARACTERS_MAX = 160
# How often a replay says how far it is.
REPLAY_PROGRESS_SECONDS = 5.0
# Outcomes that are held to compare with where the list can not be asked: 200 bytes each.
REPLAY_OUTCOMES_HELD_MAX = 1_000_000

# --- supervision -------------------------------------------------------------------------------------------------------
# Waits before a role that died is started again: first, and at most.
RESTART_SECONDS_MIN = 0.2
RESTART_SECONDS_MAX = 30.0
# A role that lived this long is healthy again: its next death starts from the shortest wait.
HEALTHY_AFTER_SECONDS = 30.0
# How long a role may take to stop by itself before it is killed; longer than any time-out inside a role.
STOP_SECONDS_MAX = 25.0
# Processes of one role on one machine: no machine has use for more, and it is a slip of the pen.
UP_PROCESSES_MAX = 64

# --- settings' defaults -------------------------------------------------------------------------------------------------
# A DSN that returns the whole original carries what was sent; ten MiB is what most senders are limited to themselves.
MESSAGE_BYTES_MAX = 10 * 2**20
# An unproven report may be a mistake or a forgery: it protects the address for a week, no longer.
PROVISIONAL_DAYS = 7
# What one source may do unproven within an hour; more is a broken MTA or an attack on the list.
PROVISIONAL_PER_SOURCE_AND_HOUR_MAX = 1000
# Failed sends within the window that make an entry: systems in the field use three to five (one bad day is not enough).
SOFT_BOUNCES_MAX = 4
SOFT_WINDOW_DAYS = 14
# A mailbox that was full may be emptied: ask again after a day, then ever later; who never answers is let alone.
SOFT_LIFETIMES = ("1d", "7d", "30d", "forever")
# Who made no soft entry for a season starts with the shortest again.
SOFT_QUIET_DAYS = 90
# How old the lookup table may be before lookups ask the store itself.
LOOKUP_STALENESS_SECONDS_MAX = 1.0

# --- reading -----------------------------------------------------------------------------------------------------------
# How much of a message is read. A report stands before the copy of the mail that it is about, so what is cut is that copy.
READ_BYTES_MAX = 2**20
# A header block, and the fields in it: the longest honest one (thirty hops, ARC, DKIM, spam reports) has about 40 KB.
HEADER_BYTES_MAX = 128 * 2**10
HEADER_FIELDS_MAX = 1_000
# A header value that is looked into (decoded, matched); longer ones are cut. A References field of a long thread has 10 KB.
HEADER_VALUE_CHARACTERS_MAX = 16_000
# Parts of one message, all levels together, and how deep they may lie. The deepest honest report has five levels.
PARTS_MAX = 200
PART_DEPTH_MAX = 12
# Values of Content-Type whose charset is remembered, of at most 1,000 characters: the same twenty stand in nearly all mail.
CONTENT_TYPES_KEPT_MAX = 200
# Lines that look like a boundary but may not be one: an honest message has a handful.
BOUNDARIES_TRIED_MAX = 1_000
# The human words of a notice: bounces that say it in six languages have 8 KB, HTML ones 60 KB.
TEXT_BYTES_MAX = 96 * 2**10
# The beginning of a text whose charset nobody told, by which it is guessed: a notice's first sentences are within it.
CHARSET_GUESS_BYTES_MAX = 4_000
# Words before the copy of the original that the readers of plain text look at, in characters and lines.
NOTICE_CHARACTERS_MAX = 20_000
NOTICE_LINES_MAX = 600
NOTICE_LINE_CHARACTERS_MAX = 2_000
# Recipients that one message may report on; one on more becomes a dead letter whole, because none may be dropped unseen.
# RFC 5321 4.5.3.1.8 makes 100 the least a server takes; some take 1,000. Each takes 50 microseconds, and a message 0.1 seconds.
REPORTS_MAX = 1_000
# The words of a remote MTA: a reply may have many lines, and some MTAs put whole web pages there. The longest that says
# anything new is some 1,500 characters (Exchange's administrator part); the rest is traces.
DIAGNOSTIC_CHARACTERS_MAX = 4_000
# The words of one message about all its recipients, of which each gets the same share. One on 100, as many as every server
# takes (RFC 5321 4.5.3.1.8), keeps the longest that says anything new, and one on 1,000 the codes and a sentence of each. Every
# reply is decided by itself, so without this the words of a thousand would take longer than all else that is done with them.
DIAGNOSTICS_CHARACTERS_MAX = 150_000
# Places where an @ stands that are looked at in one text.
ADDRESSES_TRIED_MAX = 2_000
# What a field such as To is made of (names, addresses, commas), and fields of one name that are looked into. RFC 5322 3.6
# allows one, and 16,000 characters of honest addresses with their names are 3,000 such pieces; each costs a microsecond.
FIELD_TOKENS_MAX = 3_000
FIELDS_OF_A_NAME_MAX = 3
# Addresses of one notice that are weighed, and recipients whose reason is looked for in it. A notice that names more of
# them is a list that was mailed to at once; the reasons of the others stay unknown.
NAMINGS_MAX = 500
EXPLAINED_RECIPIENTS_MAX = 50
# What is kept of subjects, message identifiers and names of hosts.
NAME_CHARACTERS_MAX = 1_000
# What the last reader, another library, is shown of the text: it is slower than ours and bounds nothing itself.
LAST_READER_CHARACTERS_MAX = 16_000
LAST_READER_LINE_CHARACTERS_MAX = 400

# --- feedback reports --------------------------------------------------------------------------------------------------
# Fields of one name in the returned mail that are asked where it came from: the longest honest way has thirty hops.
RECEIVED_FIELDS_MAX = 30
# Addresses in brackets that are looked at in one of them: a host has one or two, and each costs as much as a short mail.
RECEIVED_ADDRESSES_MAX = 10
# The field in which a sender's MTA keeps the recipient for itself: an address and some names, in base64.
TRACE_CHARACTERS_MAX = 4_000
# Fields that are tried for it: honest mail has some dozens that begin with X-, and each is looked for in the whole head.
TRACE_FIELDS_MAX = 200
# Objects in a report of abuse in JSON, which has some dozens; a megabyte of empty ones would take 100 ms and 20 MB to make.
XARF_OBJECTS_MAX = 5_000
# Samples of mail in a report of abuse in JSON that are looked into: it is about one mail.
XARF_SAMPLES_MAX = 5

# --- lookups -----------------------------------------------------------------------------------------------------------
# How long the follower sleeps when the feed had nothing: the usual age of the table, at fewer than 50 small queries a second.
FOLLOW_POLL_SECONDS = 0.02
# The longest wait before the follower asks a store in trouble again: meanwhile every lookup costs the store a query.
FOLLOW_RETRY_SECONDS_MAX = 1.0
# Changes that the follower takes at once: half a second of a store that writes as fast as it can.
FOLLOW_BATCH_MAX = 5_000
# Entries that the follower takes at once from the list for a new table, and slots that it copies at once for a bigger one:
# a twentieth of a second, in which the table that is in use waits for its changes.
TABLE_BUILD_ROWS = 25_000
TABLE_COPY_SLOTS = 2**19
# The emptiest table: a MiB, so that a young list does not grow its table over and over.
TABLE_SLOTS_MIN = 2**16
# A table grows past this share of used slots. Linear probing looks at 16 of them for a miss then, at 8 on the way.
TABLE_LOAD_MAX = 0.82
# How full a new table is: under 25 MB for a million entries, 5 slots for a miss.
TABLE_LOAD_NEW = 0.66
# Past this share nothing is put in any more: probes would take long, and in the end never end. A bigger table was to be there
# long before; where there is no room for one, this one gets stale instead, and lookups ask the store.
TABLE_LOAD_FULL = 0.95
# Scopes (streams and lists) that have a number in the table, besides `*`: 12 bits, and one number for all others, which cost a
# question to the store. Of all tenants together: each name counts once.
TABLE_SCOPES_MAX = 4_094
# How long the follower waits before it tries again to make a bigger table where that failed (a full disk).
TABLE_RETRY_SECONDS = 10.0
# Differences between table and list that `nullsender index verify` looks at: more are a table to be made anew, not to be read.
VERIFY_DIFFERENCES_MAX = 100_000
# How often a command that takes long says how far it is where nobody sees its bar move.
PROGRESS_LINE_SECONDS = 10.0
# How often a reader without a usable table looks whether there is one: seldom enough to cost nothing, soon enough to be no gap.
TABLE_REOPEN_SECONDS = 0.05
# How often a write looks whether the table has passed it; the wait ends by itself when the table has gone stale.
TABLE_SETTLE_POLL_SECONDS = 0.003

# --- batches -----------------------------------------------------------------------------------------------------------
# A line of a list that is scrubbed: room for a record around its address, and all that is held of a line without an end.
SCRUB_LINE_BYTES_MAX = 64 * 2**10
# What `nullsender scrub` reads of a file at a time: enough that calls cost nothing, little enough for the processor's cache.
SCRUB_READ_BYTES = 2**20
# How often `nullsender scrub` takes the list's changes where no follower runs: a few times in the second that a table is fresh.
SCRUB_KEEP_UP_SECONDS = 0.25
# How long it waits for the table of a follower that has just begun; then it asks the list itself, which is slow.
SCRUB_FRESH_SECONDS_MAX = 30.0
# Scrubs at work in one process of the API: each takes a share of its one core, and 2 MB; past that: 503, come again.
SCRUBS_MAX = 16
# How long a scrub waits for compiled code to be loaded: it is read in four seconds; compiling it anew takes more than a minute.
SCRUB_LOADING_SECONDS_MAX = 10.0

# --- the HTTP API ------------------------------------------------------------------------------------------------------
# Addresses of one POST /v1/check: one answer stays under a second even when every address has to be confirmed in SQL.
CHECK_ADDRESSES_MAX = 10_000
# A body: 10,000 of the longest addresses with quotes and commas are 3.3 MB.
API_BODY_BYTES_MAX = 4 * 2**20
# Entries or history items of one page.
API_PAGE_ITEMS_DEFAULT = 100
API_PAGE_ITEMS_MAX = 1_000
# Free text that people write into the list (reason, consent): a paragraph.
API_TEXT_CHARACTERS_MAX = 1_000
# Names of streams and scopes.
API_NAME_CHARACTERS_MAX = 200
# Requests of one process that use the store at the same time, and that wait for their turn; past that: 503, come again.
API_STORE_THREADS_MAX = 8
API_STORE_WAITING_MAX = 500
# How long a request waits for the store, its place in the queue included: longer than a write waits for its turn.
API_STORE_SECONDS_MAX = 20.0
# Whoever asks for readiness wants to know now; a load balancer waits for a few seconds.
API_READY_SECONDS_MAX = 3.0
# What a 503 asks the client to wait.
API_RETRY_AFTER_SECONDS = 2
# Keys are short; anything longer is not looked up.
API_KEY_CHARACTERS_MAX = 200
# How long a key is believed without asking the store: a revoked one works this much longer.
API_KEY_CACHE_SECONDS = 5.0
# Keys that are remembered, good and bad apart, so that a flood of bad ones does not push the good ones out.
API_KEY_CACHE_ENTRIES_MAX = 1_000
# Addresses a second that a key may ask about, unless it carries a rate of its own; 0: no limit, because one honest client with
# batches asks as quickly as we answer. And what comes together unused: the peaks of half a minute.
API_RATE_PER_SECOND = 0
API_RATE_PER_SECOND_MAX = 1_000_000_000
API_RATE_BURST_SECONDS = 30.0
# Keys whose use is counted, at 200 bytes each; past that the one counted first begins anew.
API_RATE_KEYS_MAX = 10_000
# Networks that one key may be used from: each is looked at when a connection uses the key first.
API_KEY_NETWORKS_MAX = 32
# Wrong keys from one address within a minute that the store is asked about: a deployment with an old key on fifty machines
# behind one address is under it, and a process that tries them all day keeps no thread of the store busy. Addresses that are
# counted, at 300 bytes each.
API_WRONG_KEYS_PER_MINUTE_MAX = 100
API_CLIENTS_REMEMBERED_MAX = 10_000
# Hits that are explained with one question to the store: a few milliseconds, which the next ones wait for.
API_HITS_BATCH_MAX = 500
# The header fields of a plain lookup that a connection remembers, so that the same ones need not be read again.
API_FIELDS_REMEMBERED_BYTES_MAX = 1_024
# A request's line and headers: a path of the longest address, percent-encoded, is 1 KB; proxies add a few more.
API_HEAD_BYTES_MAX = 32 * 2**10
# From the first byte of a request (or from the connection) to its last one: 4 MiB at 1 Mbit/s take 34.
API_REQUEST_SECONDS_MAX = 60
# How long a client may take nothing at all of an answer that waits for it: a sender at work reads at once.
API_UNREAD_SECONDS_MAX = 60
# Connections of one process, each some 20 KB and a file descriptor.
API_CONNECTIONS_MAX = 5_000
# How long an idle connection is kept: longer than the pauses of a sender that checks before each mail.
API_KEEP_ALIVE_SECONDS = 75
# How long a thread that computes may keep the interpreter from the event loop: Python's own 5 ms were what one lookup in a
# hundred waited for (p99 at half load with a million entries: 4.3 ms with it, 2.0 ms with this).
API_SWITCH_SECONDS = 0.0005
# How long requests that are under way may take after the stop.
API_STOP_SECONDS_MAX = 10

# --- hot connections of the HTTP API ------------------------------------------------------------------------------------
# Plain lookups in a row, each answered without parsing, after which a connection is answered beside the event loop: taking it
# over costs as much as one such answer, and giving it back as much again.
API_HOT_AFTER_ANSWERS = 8
# Connections that are answered together: a third of a millisecond at most, which everything else waits for.
API_HOT_READY_MAX = 32
# Kinds of requests (a key and its fields) whose connections are answered so: each takes a file descriptor and a few KB.
API_HOT_KINDS_MAX = 64
# Descriptors past this number are answered as the first lookups of a connection are: what is known of each takes eight bytes.
API_HOT_DESCRIPTORS_MAX = 2**16

# --- unsubscribing over HTTP ---------------------------------------------------------------------------------------------
# Requests a second from one network, and what comes together in API_RATE_BURST_SECONDS: a provider's few machines press the
# button for all their users in the hour after a newsletter; a program that tries tokens needs more. A setting.
UNSUBSCRIBE_REQUESTS_PER_SECOND = 20
# The least time until a POST is answered, so that nobody hears from it whether a token was good: a write takes 10 to 100 ms.
UNSUBSCRIBE_ANSWER_SECONDS = 0.15
# A body: three short fields, and the boundaries that some put around them.
UNSUBSCRIBE_BODY_BYTES_MAX = 8 * 2**10
# Fields, or parts, of it that are read: ours are three, and a mail provider sends one.
UNSUBSCRIBE_FIELDS_MAX = 20
# Languages of an Accept-Language field that are looked at: people name two or three, the rest of a longer list says nothing.
UNSUBSCRIBE_LANGUAGES_MAX = 20
# Proxies of ours behind each other: what stands before that in X-Forwarded-For is not ours to believe.
UNSUBSCRIBE_HOPS_MAX = 10
# What is kept of a browser's name: it is longer only where somebody means harm.
UNSUBSCRIBE_USER_AGENT_CHARACTERS_MAX = 300
# Links of one call: a page of recipients; each takes some 20 microseconds.
UNSUBSCRIBE_LINKS_MAX = 1_000
# What the API and the doors remember of people whose mail was refused until it is written down, at 200 bytes each, and how
# often that is: the first refusal is told in days, and a crash that loses some seconds of them loses nothing that matters.
REFUSALS_WAITING_MAX = 10_000
REFUSALS_WRITE_SECONDS = 5.0
# People whose first refusal is written, so that it is not asked about again; and for how long, for they may come back.
REFUSALS_KNOWN_MAX = 100_000
REFUSALS_KNOWN_SECONDS = 3_600.0
# How far before its end the time of an unsubscribe that stops nothing yet raises an alarm: a quarter of it is left.
UNSUBSCRIBE_ALARM_SHARE = 0.25
# How long one that was in vain is told of; nobody mends what is older, and its words on the log are gone by then.
UNSUBSCRIBE_WAITING_DAYS = 30
# Unsubscribes on the log that are looked at one by one, the oldest first: more are a pipeline that stands still.
UNSUBSCRIBES_STUCK_MAX = 10_000

# What is read of a file at once while somebody fetches it.
API_FILE_PIECE_BYTES = 2**18

# --- doors for mail servers ---------------------------------------------------------------------------------------------
# Connections of the process: a mail server keeps one for each of its own processes, a few hundred on a large machine. Each
# costs a file descriptor and, while it says nothing, 3 KB; one that floods us with questions holds 256 KB.
DOOR_CONNECTIONS_MAX = 2_000
# Calls that wait until we take them: a mail server that starts all its processes at once.
DOOR_BACKLOG = 512
# Questions of one connection that are answered before others have their turn: under a millisecond.
DOOR_TURN_QUESTIONS_MAX = 64
# From a question's first byte to its last. Whoever asks writes it at once.
DOOR_QUESTION_SECONDS_MAX = 10.0
# How long a connection may be idle: longer than Postfix keeps one (300 s), so that it is never we who hang up on it.
DOOR_IDLE_SECONDS_MAX = 600.0
# How long a client may leave its answers unread.
DOOR_WRITE_SECONDS_MAX = 30.0
# How long somebody whom we hang up on has to read why.
DOOR_GOODBYE_SECONDS_MAX = 2.0
# How often connections are looked at, for these times.
DOOR_LOOK_SECONDS = 1.0
# How long answers that are under way may take after the stop: a little less than the supervisor waits.
DOOR_STOP_SECONDS_MAX = 10.0
# How often the log says of a door that a question was at fault or could not be answered: it may be so for every mail.
DOOR_LINE_SECONDS = 5.0
# The sentence that a refused sender reads. A line of an SMTP reply has room for 512 bytes (RFC 5321 4.5.3.1.5).
DOOR_TEXT_CHARACTERS_MAX = 300
# The path of a socket (unix(7): 108 bytes with its end).
SOCKET_PATH_BYTES_MAX = 107
# Postfix asks for keys of 10,000 bytes at most (socketmap_table(5)).
SOCKETMAP_QUESTION_BYTES_MAX = 10_000
# tcp_table(5) bounds answers so; a question is one address, each of its bytes three characters at most.
TCP_TABLE_LINE_BYTES_MAX = 4_096
# Some thirty attributes, most of them short; names of clients and certificates have some hundred bytes.
POLICY_QUESTION_BYTES_MAX = 16 * 2**10
# An address and a view.
READSOCKET_LINE_BYTES_MAX = 4_096
# One packet of an MTA: it needs no more than a body's part (65,535 bytes) or Postfix's longest header (102,400), if it sends us
# those at all.
MILTER_PACKET_BYTES_MAX = 128 * 2**10
# How long resolvers may remember an answer, yes or no: what changes is seen by everybody after a minute.
DNS_TTL_SECONDS = 60
# What goes in one datagram without being cut to pieces on any path (DNS Flag Day 2020), both ways.
DNS_PAYLOAD_BYTES_MAX = 1_232
# A question over TCP: one with every option that there is has some 600 bytes.
DNS_QUESTION_BYTES_MAX = 4_096
# Names that a new directory of hashes takes from the store at once, some 60 MB: in the order of their hashes they go all over
# its file, so the fewer times the less of it is written again. And changes.
DIRECTORY_NAMES_MAX = 200_000
DIRECTORY_BATCH_MAX = 5_000
# Address space for it; it costs nothing, and 10 million addresses need a GiB.
DIRECTORY_MAP_BYTES = 2**36
# How often it asks for changes when there were none: a part of how old it may be (lookup.staleness_seconds_max).
DIRECTORY_POLL_SECONDS = 0.05
# How often files of addresses are written at most; a mail server reads the whole list anew each time.
FILES_SECONDS = 60
# Rows that such a file takes from the store at once, and addresses that are sorted in memory: some 30 MB.
FILE_PAGE_MAX = 5_000
FILE_RUN_ADDRESSES_MAX = 250_000
# What a command may take that tells a mail server to read its files again.
FILES_COMMAND_SECONDS_MAX = 30.0

# --- deciding ----------------------------------------------------------------------------------------------------------
# How far back from the end of a match its words are looked for, and how many of them an outcome quotes.
DECIDING_WORDS_CHARACTERS_MAX = 200
# Texts of an operator's rules whose beginnings are told by an automaton of their own. One is made in 2 milliseconds and takes
# some 10 KB; few of an operator's rules decide on one day.
OWN_TEXTS_REMEMBERED_MAX = 256
# Status codes whose forms are kept ready: the registry has about 100, providers add about as many.
STATUSES_REMEMBERED_MAX = 512
# Status codes of one reply that are looked at, in search of one that gives a reason: a wrapped reply has a few.
STATUSES_TRIED_MAX = 40
# IP addresses of a refusal that are looked at, of each kind, for the one that stands on a list: a long one names five.
LISTED_ADDRESSES_TRIED_MAX = 20
# Beginnings of replies, such as "550 5.1.1 ", whose codes are kept ready: most replies have one of a hundred.
HEADS_REMEMBERED_MAX = 1_024
# Hosts and mail domains whose provider is kept ready: most mail goes to a few hundred. A name has 253 characters at most.
HOSTS_REMEMBERED_MAX = 1_024
# Characters beyond ASCII whose plain form is kept ready: the letters of all alphabets and the common ones of Chinese.
FOLDED_CHARACTERS_REMEMBERED_MAX = 4_096

# --- rules of one's own ------------------------------------------------------------------------------------------------
# One file of them: some 25,000 rules, which is half a minute's work at each start.
OWN_RULES_BYTES_MAX = 4 * 2**20
# A template is told from others by its beginning. In any language a word is shorter than this; what is longer is an id.
TEMPLATE_CHARACTERS_MAX = 300
TEMPLATE_WORD_CHARACTERS_MAX = 24
# Templates that are counted at once: with its example 1 KB each, or 5 where somebody means harm. Past that the rarest half is
# let go, and said so.
TEMPLATES_COUNTED_MAX = 20_000
# How many of them are shown unless more are asked for, and how much of one's words a rule is made of: a line each.
TEMPLATES_SHOWN = 20
RULE_TEXT_CHARACTERS_MAX = 80

# --- explaining --------------------------------------------------------------------------------------------------------
# Of a stranger's words, `nullsender explain` shows a person this many: more than any reply needs, less than a screen.
SHOWN_CHARACTERS_MAX = 1_000
# A page is as wide as its terminal within these columns: past the second lines are hard to read, below the first there is
# no room for any.
PAGE_COLUMNS_MIN = 60
PAGE_COLUMNS_MAX = 110
# Of the addresses that a message names beside the recipient, and of its parts, this many: a line each.
EXPLAINED_ADDRESSES_MAX = 5
PARTS_SHOWN_MAX = 6
# Of the rules that were near, and of those behind the one that decided: the first, for it is the likeliest question.
CANDIDATES_SHOWN = 1
# Of the words that speak for or against such a rule: enough to find them in the reply.
RULE_WORDS_SHOWN_MAX = 40

# --- the MX ------------------------------------------------------------------------------------------------------------
# One command line. RFC 5321 4.5.3.1.4 asks for 512 octets and each extension for a little more; an honest one has under 400.
COMMAND_BYTES_MAX = 2_048
# RFC 5321 4.5.3.1.8: no server may take fewer, and a bounce has one.
RECIPIENTS_MAX = 100
# The local part of a return path that we make, in octets (RFC 5321 4.5.3.1.1): a longer one may be refused on its way.
LOCAL_PART_OCTETS_MAX = 64
# Connections at once, in total and from one address (an IPv6 network of 64 bits is one): a large sender's MTA opens 20.
CONNECTIONS_MAX = 500
CONNECTIONS_PER_ADDRESS_MAX = 50
# Messages that are arriving or being recorded, all sessions together. Each costs about five times its size while it is read.
MESSAGES_HELD_BYTES_MAX = 96 * 2**20
# Which part of them one client's messages may take (always room for one message of the largest size): the rest is for others.
MESSAGES_HELD_CLIENT_SHARE = 1 / 8
# Unreadable messages that one client may leave with us within an hour. Each is kept whole, for months, in a place that holds
# 2 GiB: one client needs more than five days to fill that. Honest software sends a few such messages in a year.
UNREADABLE_PER_CLIENT_AND_HOUR_MAX = 100
UNREADABLE_BYTES_PER_CLIENT_AND_HOUR_MAX = 16 * 2**20
# Clients whose unreadable mail is counted within an hour, at 200 bytes each; further ones are asked to come later.
UNREADABLE_CLIENTS_MAX = 1_000
# What is read from a connection at once, and so the most that waits unread for a session: twice this.
READ_CHUNK_BYTES = 64 * 2**10
# A message past this is read in a thread, so that the other sessions are not kept waiting by it. What costs most for its bytes
# is a report on many recipients: so many bytes name 140 of them, which takes eight milliseconds. A usual bounce has 5 KB.
READ_IN_THREAD_BYTES = 16 * 2**10
# So is one to more RCPTs than this: each may be a return path that has to be verified. An honest bounce comes to one.
READ_IN_THREAD_RECIPIENTS = 3
# RFC 5321 4.5.3.2.7: a server waits five minutes for a command ...
COMMAND_WAIT_SECONDS = 300.0
# ... and 4.5.3.2.5 gives the client three for each block of DATA; the whole of it may take as long as a bad line needs.
DATA_WAIT_SECONDS = 180.0
DATA_SECONDS_MAX = 1_200.0
# A client that keeps its connection for many messages is asked to come again once an hour, so that load can move.
SESSION_SECONDS_MAX = 3_600.0
# A handshake takes two round trips.
TLS_HANDSHAKE_SECONDS_MAX = 30.0
# How long a last reply may take to be fetched before the connection is cut.
LINGER_SECONDS = 5.0
# Replies that may wait for each other before they are sent: those to one pipelined transaction with 100 recipients.
REPLIES_TOGETHER_MAX = 128
# Commands since the last recorded message: a transaction with 100 recipients has 103.
COMMANDS_WITHOUT_MESSAGE_MAX = 250
# Refused commands since the last recorded message: an MTA that is right most of the time never gets there.
REFUSALS_MAX = 20
# Messages that are being recorded when the MX stops get this long; it lies between the log's time-out and the supervisor's.
MX_STOP_SECONDS_MAX = 22.0
# How long we believe in a return path: MTAs give up after 5 days, and some relays add weeks of their own.
RETURN_PATH_DAYS = 35
# How long we believe in a signed unsubscribe address: people clear out mail of the year before last. The law asks for less
# (CAN-SPAM for 30 days, CASL for 60).
UNSUBSCRIBE_DAYS = 800
# The sender's own name for a mail within an unsubscribe link, so that the link stays one line; and a link's token as a whole:
# the longest address, of four bytes a character, with names of NAME_LENGTH_MAX, in base64.
UNSUBSCRIBE_MESSAGE_CHARACTERS_MAX = 64
UNSUBSCRIBE_TOKEN_CHARACTERS_MAX = 2_500
# How long we believe in a token: people complain about mail that they find months later, mostly within half a year.
TOKEN_DAYS = 190

# --- the store ---------------------------------------------------------------------------------------------------------
# Scopes that one mail belongs to: all, all that is not transactional, its stream, its mailing list.
SCOPES_OF_MAIL_MAX = 4
# How long one process waits for its turn to write before it calls it trouble that may pass; a batch of 500 takes 0.1 s.
STORE_TURN_SECONDS_MAX = 15
# What one SQL statement may take; longer than the turn, so that waiting for the turn is what fails first.
STORE_STATEMENT_SECONDS_MAX = 30
# How long a transaction may lie idle on PostgreSQL: its process is gone or stuck, and everybody waits for its turn.
STORE_IDLE_SECONDS_MAX = 30
# How long we wait for the server's answer: it keeps the time-out of a statement itself, unless it stands still.
STORE_ANSWER_SECONDS_MAX = 35
# How long a write as a whole may take, its wait for the turn, all its statements and its commit; and how long it is tried again
# after a conflict. Twice this is less than what makes a stage look stuck.
STORE_WRITE_SECONDS_MAX = 60
# How long connecting to PostgreSQL may take, name look-up included.
STORE_CONNECT_SECONDS_MAX = 5
# How long a connection may be silent before the network is asked whether the other end still lives, and how long that may take.
STORE_SILENCE_SECONDS_MAX = 20
# How often a write is tried that another transaction undid, or of which nobody knows whether it happened, and the wait before
# the second try (then twice as long, and so on, each by chance half as long again): less than a second in all, for somebody
# waits; a server that takes longer to come back is the caller's to wait for.
STORE_TRIES_MAX = 4
STORE_RETRY_SECONDS = 0.05
# Connections that one process keeps open: the API's store threads and a few for its other work.
STORE_CONNECTIONS_MAX = 12
# How long a migration waits for another one: that may build an index of a large table.
MIGRATION_TURN_SECONDS_MAX = 300
# How long a migration may wait for a lock on a table, with all that comes after it waiting behind: a hiccup. Then it pauses,
# and others get through, before it comes again: a minute and a half in all.
MIGRATION_LOCK_SECONDS_MAX = 2
MIGRATION_PAUSE_SECONDS = 1
MIGRATION_TRIES_MAX = 30
# Values in one IN (…): under the 32,766 parameters of SQLite and the 65,535 of PostgreSQL.
STORE_IN_MAX = 5_000
# Reports about one address that a turn goes through to read one of them anew. Mail that we sent is never answered so often,
# for addresses are suppressed long before. A batch of 500 addresses with so many each takes 400 MB and some 15 seconds.
REPORTS_FOLDED_MAX = 500
# Names that are part of a key (tenant, scope, report id). A row of a PostgreSQL index has room for 2,704 bytes.
STORE_NAME_CHARACTERS_MAX = 200
# Words that are kept beside an entry: a paragraph.
STORE_WORDS_CHARACTERS_MAX = 1_000
# The write-ahead log of SQLite shrinks back to this many bytes after a reader had held it up.
STORE_WAL_BYTES_MAX = 64 * 2**20
# How long the words of a report that changed nothing are kept; anybody can send such reports, and they name people. It is as
# long as the log keeps the report itself (LOG_REPORT_DAYS), so that a wrong rule can still be seen, and past SOFT_WINDOW_DAYS.
OUTCOME_BODIES_KEPT_DAYS = 30
# How long reports that changed nothing are known, and everything of an entry that has ended is kept: longer than the oldest of
# our signatures is believed, so that nothing that comes again acts again. A setting, for most of the store's size follows from
# it, and the law may have a say; at least longer than bounces are believed (TOKEN_DAYS) and records can be replayed.
HISTORY_KEPT_DAYS = UNSUBSCRIBE_DAYS + 30
HISTORY_KEPT_DAYS_MIN = TOKEN_DAYS + 10
# How late a bounce or a delivery may be told of and still be put where it belongs among the others: the queues of mail servers
# and the jobs that read their logs are done within days. Deliveries of everybody are kept for so long, so every day costs disk.
SOFT_LATE_DAYS = 3
# Strikes and deliveries of one address on one scope that are kept one by one, older ones as what they came to: many times a
# limit. Of unproven strikes, which anybody can send, a part of that, so that they never push out the others.
SOFT_EVENTS_KEPT_MAX = 64
UNPROVEN_STRIKES_KEPT_MAX = 16
# The largest limit of soft bounces: what is kept has to hold it.
SOFT_LIMIT_MAX = 10
# What a policy may say at most: what counts for longer than a year says nothing of today, and what nobody has proven may not
# stop mail for a season.
SOFT_WINDOW_DAYS_MAX = 365
PROVISIONAL_DAYS_MAX = 90
# A name of a policy stands in every row of the history; a file of policies for thousands of tenants is smaller than this.
POLICY_NAME_CHARACTERS_MAX = 40
POLICY_FILE_BYTES_MAX = 4 * 2**20
# How long nothing has to happen before the strikes of an address are forgotten: past the longest lifetime and quiet time there
# may be, after which they would count for nothing.
SOFT_LIFETIME_DAYS_MAX = 366
SOFT_QUIET_DAYS_MAX = 366
STRIKES_KEPT_DAYS = SOFT_LIFETIME_DAYS_MAX + SOFT_QUIET_DAYS_MAX
# Deliveries that one call may report, and that are written in one turn: others wait for a tenth of a second.
DELIVERIES_PER_CALL_MAX = 10_000
DELIVERIES_PER_TURN_MAX = 2_000
# How long the count of a source's provisional entries is kept: a report that comes late still finds its hour.
PROVISIONAL_COUNTS_KEPT_DAYS = 7

# --- jobs --------------------------------------------------------------------------------------------------------------
# How long a job is its worker's after a sign of life, and how often one is given: two may be lost, and after a crash the next
# process goes on within a minute. Longer than a write to the store may take.
JOB_LEASE_SECONDS = 90.0
JOB_BREATH_SECONDS = 20.0
# How often a job is begun without coming any further before it counts as broken: a crash or two are bad luck, five are not.
JOB_TRIES_MAX = 5
# How long a job waits after trouble that may pass, for each time that it was tried in vain.
JOB_RETRY_SECONDS = 15.0
# How many jobs of a kind one tenant may have waiting or at work: nobody needs more, and no tenant is to crowd others out.
JOBS_OPEN_MAX = 20
# How often an idle worker looks for a job, which costs the store one question.
JOBS_POLL_SECONDS = 1.0
# How often each duty is done by one of all processes, and how often each process looks whether one is due.
DUTY_SECONDS = 60.0
DUTY_POLL_SECONDS = 5.0
# How long the row of a job that has ended is kept: a year's questions can be answered, and the audit trail keeps the rest.
JOBS_KEPT_DAYS = 366

# --- imports -----------------------------------------------------------------------------------------------------------
# A list of 50 million rows with reasons beside them, unpacked; what unpacks to more is a mistake, or meant to fill the disk.
IMPORT_BYTES_MAX = 8 * 2**30
# Of such a list: a short row takes more room sorted on our disk than in the file, and a packed file of them none.
IMPORT_ROWS_MAX = 50_000_000
# The same in bytes on our disk; 50 million common rows take 7 GiB.
IMPORT_SORTED_BYTES_MAX = 12 * 2**30
# JSON that is set out for people has ten lines a row; blank lines beyond any list would only take time.
IMPORT_LINES_MAX = 500_000_000
# The rows of a list that are refused while it is read, as they wait on our disk: ten million with some hundred bytes each. A
# file with more is not the list that was meant, and nothing of it is taken.
IMPORT_REFUSED_BYTES_MAX = 2**30
# A list as it is sent to the API, packed or not: it waits on our disk.
IMPORT_UPLOAD_BYTES_MAX = 2 * 2**30
# How much is read of a file at once.
IMPORT_READ_BYTES = 256 * 2**10
# By how much of its beginning the shape of a file is known.
IMPORT_LOOKED_AT_BYTES = 64 * 2**10
# A line, and a record or a JSON object, which may go over several: many times the longest row of any system.
IMPORT_LINE_BYTES_MAX = 64 * 2**10
IMPORT_RECORD_BYTES_MAX = 128 * 2**10
# By how much of its beginning it is known whether a file is text, and in which encoding: a binary file shows it at once.
IMPORT_ENCODING_LOOKED_AT_BYTES = 4_096
# How deep rows may lie in answers within answers; nobody's lie deeper, and reading goes down once for each.
IMPORT_JSON_DEPTH_MAX = 4
# A time as text: the longest is an RFC 5322 date with a comment.
IMPORT_TIME_CHARACTERS_MAX = 64
# Names of columns that a refusal shows, and how much of each: a line of a terminal or two.
IMPORT_COLUMNS_SHOWN_MAX = 12
IMPORT_COLUMN_SHOWN_CHARACTERS_MAX = 40
# What a ZIP archive's own table may take; Mandrill's has five files.
IMPORT_ZIP_TABLE_BYTES_MAX = 64 * 2**10
# What a Parquet file's table of contents, and a group of its rows, may take in memory; ours are far smaller.
IMPORT_PARQUET_GROUP_BYTES_MAX = 256 * 2**20
IMPORT_PARQUET_ROWS = 4_096
# How many tags or lists of one row are taken, each as an entry of its own.
IMPORT_GROUPS_MAX = 100
# What is kept of somebody's words about a row.
IMPORT_WORDS_CHARACTERS_MAX = 200
# Into how many parts the rows are sorted at most (each an open file), and how large a file makes one more: a part of 40,000
# rows, so that ten million rows are 256 parts, and each is sorted in memory.
IMPORT_PARTS_MAX = 256
IMPORT_PART_BYTES = 2 * 2**20
# How many rows of a part are held before they are written.
IMPORT_PART_ROWS_HELD = 250
# How many rows are sorted in memory at once, should a part have more: a list of one address a million times is one part.
IMPORT_SORTED_ROWS_MAX = 200_000
# How many rows one turn of an import is about: it has the pen for a few tenths of a second, and a commit is a small part of it.
IMPORT_ROWS_A_TURN = 5_000
# How many refused rows are shown; all of them stand in a file.
IMPORT_REFUSED_SHOWN_MAX = 20
# How many different reasons a report counts; the file of refused rows has them all.
IMPORT_REASONS_MAX = 50
# How many lists one process of the API takes in at once, and how long one may take: IMPORT_UPLOAD_BYTES_MAX over a slow line.
IMPORT_UPLOADS_MAX = 4
IMPORT_UPLOAD_SECONDS_MAX = 6 * 3_600.0
# How long the refused rows of an import are kept once it is done: time to look, and they name people.
IMPORT_KEPT_DAYS = 7

# --- incidents ---------------------------------------------------------------------------------------------------------
# A mark of an incident (a text, a rule, a network): longer than any of them is, short enough to be shown whole.
INCIDENT_FILTER_CHARACTERS_MAX = 500
# Its expression is shorter: making the automaton of the worst one took a second.
INCIDENT_PATTERN_CHARACTERS_MAX = 200
# How much of a reply is searched for an incident's text or expression: more than RFC 5321's lines and the longest that we met.
INCIDENT_TEXT_CHARACTERS_MAX = 8_192
# Incidents that hold at once for one tenant: each is compared with each report that comes.
INCIDENTS_HOLDING_MAX = 200
# People whose entries are settled in one turn of an incident: the turn is others' again after some tenths of a second.
INCIDENT_PEOPLE_A_TURN = 200
# People whose hashes are read at once: each such page looks for them anew in the whole span.
INCIDENT_PAGE_PEOPLE = 5_000
# How many domains or rules are counted one by one; all others are one line.
INCIDENT_COUNTS_MAX = 500
# Entries that a preview over HTTP names, and the lines of each of its counts by domain and rule.
INCIDENT_PREVIEW_ENTRIES_MAX = 200
INCIDENT_COUNTS_SHOWN_MAX = 20

# How often a command looks how far the job has come that it waits for.
JOB_WATCH_SECONDS = 0.2

# --- the breaker -------------------------------------------------------------------------------------------------------
# New hard entries of one key (a rule, a provider, a sending address ...) within an hour that nobody has to look at: a sender
# of a million a day with one hard bounce in a hundred makes 400 an hour of all keys together.
BREAKER_HOUR_MIN = 200
# How many times its usual busiest hour a key has to make: campaigns differ by some times, mistakes by hundreds.
BREAKER_TIMES = 10
# And how many times as much it has to have grown as all else did: a larger campaign makes everything grow alike.
BREAKER_GROWTH_TIMES = 4
# How many days are remembered: four weeks hold four of a weekly campaign, and the last of a monthly one.
BREAKER_DAYS = 28
# On how many of these something has to have been counted before there is a usual share to speak of.
BREAKER_DAYS_MIN = 3
# What a key that makes nearly everything (the only MTA, the only provider) grows by is no share any more: others judge.
BREAKER_SHARE_MAX = 0.9
# How long a key makes what it likes after an operator has released what it held.
BREAKER_TRUSTED_HOURS = 24
# When to say louder that reports wait for a review: the entries that they ask for are mailed to meanwhile.
BREAKER_REVIEW_DAYS = 7
# Keys of the breaker that `review list` shows.
BREAKER_KEYS_SHOWN_MAX = 200

# --- exports -----------------------------------------------------------------------------------------------------------
# Rows that are read, written and made durable together: some 10 MB in hand, and what an interruption costs is under a second.
EXPORT_PART_ROWS = 20_000
# Rows of a row group in Parquet: enough to compress well, few enough to be held.
EXPORT_ROW_GROUP_ROWS = 100_000
# Hashes that are held while they are dealt into piles: some 30 MB.
EXPORT_HASHES_IN_HAND_MAX = 2**18
# Entries that may change while an export runs and still be shown as they stood when it began: some 700 bytes each.
EXPORT_MEANWHILE_MAX = 100_000
# What an export is for, and who gets it: a sentence each.
EXPORT_WORDS_CHARACTERS_MAX = 500
# What is read of an export at once for its digest.
EXPORT_READ_BYTES = 2**20
# A manifest is some 3 KB; what is larger is none.
MANIFEST_BYTES_MAX = 2**16
# How long the file of an export can be fetched, unless set otherwise.
EXPORT_KEPT_DAYS = 7

# --- the embedded log --------------------------------------------------------------------------------------------------
# Partitions of each topic: as many processes of one role can share its work. More would only be more places to look at.
LOG_PARTITIONS = 8
# What one commit carries: enough that the disk's wait is shared by all who wait, few enough that the next need not wait long.
LOG_COMMIT_RECORDS_MAX = 1_000
LOG_COMMIT_BYTES_MAX = 32 * 2**20
# What may wait for a commit in one process, for each topic; past it the disk is too slow for us, and saying so (451) is kinder.
LOG_QUEUE_RECORDS_MAX = 10_000
LOG_QUEUE_BYTES_MAX = 128 * 2**20
# Bytes a consumer takes at once, however many records that is (it always takes one).
LOG_POLL_BYTES_MAX = 16 * 2**20
# Records taken from one partition before the next has its turn.
LOG_TURN_RECORDS = 32
# How soon a waiting consumer looks again: at first, and at most. The second is the delay that an idle log adds to a record.
LOG_LOOK_SECONDS_MIN = 0.002
LOG_LOOK_SECONDS_MAX = 0.02
# How often a member asks who else is there: a new one has its share, and a dead one's partitions move on, within twice this.
LOG_SHARE_SECONDS = 0.25
# How often a process fails what waited too long and trims what is too old.
LOG_HOUSEKEEPING_SECONDS = 1.0
# Records that one transaction trims: a few milliseconds in which nobody else can write to the topic.
LOG_TRIM_RECORDS_MAX = 500
# Address space for one topic. It costs nothing, and no process ever has to map anew; what bounds a topic is its retention.
LOG_MAP_BYTES = 2**40
# Processes and threads that read one topic at the same moment.
LOG_READERS_MAX = 512
# How long records are kept once every group has dealt with them, and how much a topic may hold before the oldest go early.
# Raw messages are personal data: kept for a week, to explain and to replay. At 5 KB a message 8 GiB are a million of them.
LOG_RAW_DAYS = 7
LOG_RAW_BYTES_MAX = 8 * 2**30
# Reports and outcomes: a month, so that a wrong rule can be mended and its reports decided again.
LOG_REPORT_DAYS = 30
LOG_REPORT_BYTES_MAX = 4 * 2**30
# Dead letters wait for a person, who may be on holiday. When a flood of them fills the limit the oldest go.
LOG_DEAD_LETTER_DAYS = 90
LOG_DEAD_LETTER_BYTES_MAX = 2 * 2**30
# Return paths without a recipient that one message's proof is looked for in: a real one comes alone. Each is tried with so many
# addresses of the report and of the returned mail (From, To, Cc and a few hops), at 25 microseconds a try.
SHORT_RETURN_PATHS_TRIED_MAX = 3
RETURN_PATH_CANDIDATES_MAX = 50
RETURNED_HEADER_BYTES_TRIED_MAX = 16 * 2**10
# Unsubscribe links that are tried of one message: an honest one has the one of its subject, or of the mail that it returns.
UNSUBSCRIBE_LINKS_TRIED_MAX = 3
# RCPTs that a report keeps; the raw message has all of them. Mail that proves something comes to one.
REPORT_RECIPIENTS_KEPT_MAX = 3

# --- the log on Kafka --------------------------------------------------------------------------------------------------
# The client's own time from publishing to failure: it ends before PUBLISH_SECONDS_MAX, so that its reason is heard.
KAFKA_DELIVERY_SECONDS_MAX = 15.0
# How long a record waits for company: a few milliseconds spare most of the requests, and nobody notices them.
KAFKA_LINGER_SECONDS = 0.005
# What one question may take (offsets, members, topics): a broker that is well answers within milliseconds.
KAFKA_REQUEST_SECONDS_MAX = 5.0
# What the process that asks for the members of groups may take for it, its start included, before another takes its place.
KAFKA_MEMBERS_SECONDS_MAX = 2 * KAFKA_REQUEST_SECONDS_MAX
# How long a start waits for a broker, log-in included, before it says that there is none; a broker restarts in less.
KAFKA_START_SECONDS_MAX = 10.0
# How long one of its questions waits before it looks whether it was refused meanwhile: then waiting is no use.
KAFKA_ASK_AGAIN_SECONDS = 2.0
# How often the client may say the same, and how many different things are remembered for that.
KAFKA_SAY_AGAIN_SECONDS = 60.0
KAFKA_LINES_REMEMBERED_MAX = 200
# How long connecting may take, and the longest wait before it is tried again: after an outage we are back this soon.
KAFKA_CONNECT_SECONDS_MAX = 5.0
KAFKA_RECONNECT_SECONDS_MAX = 1.0
# How often threads that wait for Kafka look after the rest of their work.
KAFKA_POLL_SECONDS = 0.1
# The largest record on the topics of raw mail and dead letters (as everywhere), and on the others: a report has some 10 KB,
# and its longest texts are cut to 4,000 characters each.
KAFKA_LARGE_RECORD_BYTES_MAX = RECORD_BYTES_MAX
KAFKA_REPORT_RECORD_BYTES_MAX = 2**20
# What the protocol puts around a record, or around a batch of small ones.
KAFKA_RECORD_OVERHEAD_BYTES = 2**16
# What is sent at once of small records: under the smallest topic's limit.
KAFKA_BATCH_BYTES_MAX = 2**19
# A member that is silent for so long has died, and the others take over: a killed process keeps a complaint waiting this long.
# It is the least that a broker allows unless told otherwise. A process that stands still for longer does a batch twice.
KAFKA_SESSION_SECONDS = 6.0
# How often a member says that it lives, and so hears of a rebalance: a quarter of the above, so that three may be lost.
KAFKA_HEARTBEAT_SECONDS = 1.5
# How long a member may be busy with a batch before its partitions go to others. More than the store's turn and statement, a
# publish and the longest wait for another try take one after the other.
KAFKA_POLL_GAP_SECONDS_MAX = 120.0
# How long a member that closes waits to be heard; usually it takes milliseconds. A stop has to end within STOP_SECONDS_MAX.
KAFKA_LEAVE_SECONDS_MAX = 2.0
# How long a broker holds a request for records when there are none; a partition that was just taken over waits for it.
KAFKA_FETCH_WAIT_SECONDS = 0.1
# What a broker gives of one partition at once, compressed: records that are alike are twenty times as large in memory.
KAFKA_FETCH_BYTES_MAX = 2**17
# How long storing an offset may take; then the batch comes again. A broker that is well answers within milliseconds, one that
# is gone is replaced within seconds.
KAFKA_COMMIT_SECONDS_MAX = 10.0
# How soon what was refused is said again when the group shares its partitions out.
KAFKA_COMMIT_RETRY_SECONDS = 0.05
# How often it is looked for the answer, more and more rarely: each look may take in a record, in all some 200 of them.
KAFKA_COMMIT_LOOK_SECONDS_MIN = 0.001
KAFKA_COMMIT_LOOK_SECONDS_MAX = 0.05
# How long a member hears nothing before it is tried whether it still can: a question each time where no record comes.
KAFKA_DEAF_SECONDS = 10.0
# How long a reading may go without a record before it says that Kafka does not answer.
KAFKA_READ_SECONDS_MAX = 15.0
# Kafka deletes a segment when its youngest record is too old: of so many parts of the retention, one is kept too long.
KAFKA_SEGMENTS_PER_RETENTION = 7
# Partitions of each topic, copies of each, and how many of those have a record before it is acknowledged. Twelve divide among
# two, three, four and six processes of a role; three and two bear the loss of a broker: nothing is lost, nothing stands still.
KAFKA_PARTITIONS = 12
KAFKA_REPLICATION = 3
KAFKA_MIN_INSYNC = 2

# --- the audit trail ---------------------------------------------------------------------------------------------------
# Rows that a proof of the trail reads at once: a tenth of a second, and some MB.
AUDIT_PAGE_ROWS = 5_000
# Rows that `nullsender audit list` shows where it is not told how many: a screen or two.
AUDIT_LISTED_DEFAULT = 100

# --- privacy -----------------------------------------------------------------------------------------------------------
# A plain address after its last entry ended: time to notice that a lift was a mistake.
PLAIN_ADDRESSES_KEPT_DAYS = 90
# From where somebody unsubscribed: a year of mail and a month, in which a regulator may ask whether it was that person.
UNSUBSCRIBE_SOURCES_KEPT_DAYS = 400
# The reasons that people typed for what they did: as long as the history of the list.
AUDIT_WORDS_KEPT_DAYS = HISTORY_KEPT_DAYS
# Rows that an erasure empties in one turn: as many as an applied batch takes to write, for one person may have very many.
ERASURE_TURN_ROWS_MAX = 2_000
# Items of each kind that an access report tells; it says when there are more.
ACCESS_ITEMS_MAX = 1_000
