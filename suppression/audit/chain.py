"""The chain: everything that was done to the list, each row tied to the one before.

A row has a *head* (its number, its time, its kind, whose list, who, about what) and a *content*: the words of an act, or the
row of `changes` that has the same number. The content is known to the chain only by a salted digest:

    digest = SHA-256(salt, content)
    chain  = SHA-256(the chain of the row before, head, digest)

So whoever alters, removes, inserts or swaps a row breaks every link after it. And a content can be erased together with its
salt, when a person asks or its time is over: the chain does not need it, and without the salt nobody can try names against the
digest that is left.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

SALT_BYTES: Final = 16
FIRST_LINK: Final = bytes(hashlib.sha256().digest_size)  # what stands for the chain before the first row

#: The first row: whatever has a number up to its own is from before the trail, and the trail says nothing of it.
GENESIS: Final = "genesis"
#: A row that stands for the row of `changes` with its number.
CHANGE: Final = "change"
#: What erases contents: a person's wish, and time. Its body counts under this name how many it erased, and is never erased.
ERASURE: Final = "erasure"
RETENTION: Final = "retention"
ERASES: Final = frozenset({ERASURE, RETENTION})
UNSEALED: Final = "unsealed"
#: All that there are, so that a misspelt one is not taken for something that never happened.
KINDS: Final = (
    "breaker-opened",
    CHANGE,
    ERASURE,
    "export",
    "export-requested",
    GENESIS,
    "import-begun",
    "import-ended",
    "incident-made",
    "incident-undone",
    "key-created",
    "key-revoked",
    "policy",
    RETENTION,
    "review-released",
    "unsubscribe-dismissed",
)


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to the list or its installation, and is no change of an entry.

    `kind` is one or two words with a hyphen (`export`, `key-created`). `subject` names what it was about in a way that tells no
    stranger who a person is: an id, or a keyed hash in hexadecimal digits. `reason` is what a person said; it, and with it the
    body, goes when the person whom it is about is erased. The body holds no plain address.
    """

    kind: str
    actor: str
    reason: str
    tenant: str | None = None  # None: of every tenant
    subject: str | None = None
    body: Mapping[str, Any] = {}


class Head(NamedTuple):
    """What stays of a row whatever is erased."""

    seq: int
    at: datetime  # UTC
    kind: str
    tenant: str | None = None
    actor: str | None = None
    subject: str | None = None


def content_of(values: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a content: JSON by name, without what is not there.

    So a column that comes later, and is empty in old rows, leaves their digests as they are.
    """
    there = {name: value for name, value in values.items() if value is not None}
    return msgspec.json.encode(there, order="deterministic")


def digest_of(salt: bytes, content: bytes) -> bytes:
    """What the chain knows of a content: 32 bytes."""
    return hashlib.sha256(salt + content).digest()


def link_of(before: bytes, head: Head, digest: bytes) -> bytes:
    """The chain of a row: 32 bytes, from those of the row before."""
    return hashlib.sha256(before + digest + msgspec.json.encode(head)).digest()


class Sealed(NamedTuple):
    """What a row of the trail has besides its head and its content."""

    salt: bytes
    digest: bytes
    chain: bytes


def seal(before: bytes, head: Head, content: bytes, salt: bytes) -> Sealed:
    """Tie a row to the one before it."""
    digest = digest_of(salt, content)
    return Sealed(salt, digest, link_of(before, head, digest))
