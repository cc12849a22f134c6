"""A job: long work that somebody asked for and that a crash only interrupts.

    waiting ──taken──▶ working ──▶ complete ──its files' time is over──▶ expired
       ▲                 │  ├────▶ broken      it can not be done; `trouble` says why
       └──interrupted────┘  └────▶ cancelled   somebody wanted it no more

Whoever works on a job holds a lease on it, which each sign of life renews. A process that dies lets it run out; then the next
one goes on at the job's cursor.
"""

from datetime import datetime
from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    WORKING = "working"
    COMPLETE = "complete"
    BROKEN = "broken"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: What is still to be done.
OPEN = frozenset({JobState.WAITING, JobState.WORKING})


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job as the store has it. `request`, `cursor` and `result` are JSON of a shape that its kind knows."""

    id: str
    kind: str
    tenant: str
    state: JobState
    request: str
    reason: str  # why it is done, in its asker's words
    requested_by: str
    created: datetime
    started: datetime | None  # when it was first taken
    finished: datetime | None
    cursor: str | None  # where to go on; None: at the beginning
    done: int  # of `total`, in what its kind counts: rows
    total: int | None  # None: not known
    tries: int  # how often it was taken since it last came further
    lease: str | None  # names who works on it
    result: str | None
    trouble: str | None  # why it is broken, or what it waits for


class Interrupted(Exception):
    """This process is to stop: the job waits for the next one."""


class Taken(Exception):
    """The job is no longer ours: it was cancelled, or our lease ran out and another process has it."""
