"""The audit trail as it is written: every turn adds what it did, with the pen in hand (`suppression/audit`)."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, select, update

from suppression.audit.chain import CHANGE, FIRST_LINK, GENESIS, SALT_BYTES, Act, Head, content_of, seal
from suppression.models import audit, numbering
from suppression.store.bulk import Columns
from suppression.store.rows import one_of
from suppression.store.text import clean_name, clean_words, json_of

_BEGINNING = Act(kind=GENESIS, actor="nullsender", reason="what has a number up to this one is from before the audit trail")


def chained(
    connection: Connection,
    changed: Sequence[Columns],
    acts: Sequence[tuple[int, Act]],
    *,
    now: datetime,
    began_after: int,
) -> list[Columns]:
    """The rows of `audit` for what a turn did, in the order of their numbers; none where it left no trail.

    The first turn of all begins the trail: at the last number that was given before it.
    """
    if not changed and not acts:
        return []
    link: bytes | None = connection.execute(select(numbering.c.link)).scalar_one()
    told = acts if link is not None else ((began_after, _BEGINNING), *acts)
    done = sorted((*_of_changes(changed), *_of_acts(told, now)), key=lambda one: one[0].seq)
    salts = secrets.token_bytes(SALT_BYTES * len(done))
    before, rows = link or FIRST_LINK, []
    for number, (head, content, body) in enumerate(done):
        sealed = seal(before, head, content, salts[number * SALT_BYTES : (number + 1) * SALT_BYTES])
        rows.append({**head._asdict(), "body": body, **sealed._asdict()})
        before = sealed.chain
    return rows


def unseal(connection: Connection, numbers: Collection[int]) -> int:
    """Let go of the contents of these rows, which are erased in the same turn: how many of them the trail holds.

    Without its salt a digest proves nothing any more and tells nothing. The turn has to say how many they were.
    """
    sealed = [these & audit.c.salt.is_not(None) for these in one_of(connection, audit.c.seq, numbers)]
    return sum(connection.execute(update(audit).where(these).values(salt=None, body=None)).rowcount for these in sealed)


_Done = tuple[Head, bytes, str | None]  # the content, and what of it is kept in the trail itself


def _of_changes(changed: Sequence[Columns]) -> Iterator[_Done]:
    for row in changed:
        known = cast(dict[str, Any], row)
        yield Head(known["seq"], known["at"], CHANGE), content_of(row), None


def _of_acts(acts: Sequence[tuple[int, Act]], now: datetime) -> Iterator[_Done]:
    for seq, act in acts:
        body = json_of({"reason": clean_words(act.reason), **act.body})
        tenant, subject = act.tenant and clean_name(act.tenant), act.subject and clean_name(act.subject)
        yield Head(seq, now, act.kind, tenant, clean_words(act.actor), subject), body.encode(), body
