"""The fields of a delivery status report, group by group: those about the message, then those about each recipient.

RFC 3464 2.1 puts an empty line between the groups. Real MTAs leave some out or put some inside a group, and forget required
fields; so a group begins where a Final-Recipient begins, wherever that is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

from ingest.reading.charsets import decode_bytes
from ingest.reading.finding import TooManyRecipients
from ingest.reading.headers import first_values_of
from nullsender.limits import REPORTS_MAX

#: The fields of one group: the first value of each by its name.
Group = dict[str, str]
#: The fields about the message, and one group of fields for each recipient.
Groups = tuple[Group, list[Group]]


def groups_in_part(content: bytes) -> Groups:
    """The groups of a report part. Each is decoded by itself: one recipient's server writes UTF-8, the next one's Latin-1.

    `TooManyRecipients` where there are more than `REPORTS_MAX`, or more blocks than so many can need.
    """
    if content.isascii() and _ESCAPE not in content:
        return _groups(_blocks(content.decode().strip()))
    blocks = _blocks(content.strip().decode("latin-1"))
    return _groups([decode_bytes(block.encode("latin-1")) for block in blocks])


_ESCAPE = 0x1B  # begins a charset in ASCII clothing (ISO-2022)


def groups_in_text(text: str) -> Groups:
    """The groups that `text` begins with; raises as `groups_in_part` does."""
    return _groups(_blocks(text.strip()))


def _groups(blocks: Sequence[str]) -> Groups:
    about_message: Group = {}
    groups: list[Group] = []
    for block in blocks:
        fields = first_values_of(block)
        names = fields.keys()
        if names.isdisjoint(_ABOUT_RECIPIENT) or (not groups and _is_about_message(fields)):
            about_message = about_message or fields
        elif groups and "final-recipient" not in fields and not names & _ESSENTIAL & groups[-1].keys():
            for name in names & _OF_RECIPIENT:  # an empty line inside a group
                groups[-1].setdefault(name, fields[name])
        else:
            groups.append(fields)
            if "reporting-mta" in fields:  # the empty line after the fields about the message is missing
                about_message = fields
            if len(groups) > REPORTS_MAX:
                raise TooManyRecipients
    return about_message, groups


# An empty line inside each group makes two blocks of it; one block is about the message.
_BLOCKS_MAX = 2 * REPORTS_MAX + 1
_ESSENTIAL = frozenset({"final-recipient", "original-recipient", "action", "status"})
_ABOUT_RECIPIENT = _ESSENTIAL | {"diagnostic-code", "x-actual-recipient"}
_OF_RECIPIENT = _ABOUT_RECIPIENT | {"remote-mta", "last-attempt-date"}
_EMPTY_LINES = re.compile(r"\n[ \t]*\n\s*", re.ASCII)
# Where a group begins that no empty line announces. The original recipient stands behind the final one or before it; the
# block's first group shows which.
_FINAL = re.compile(r"\nfinal-recipient[ \t]*:", re.IGNORECASE)
_ORIGINAL_AND_FINAL = re.compile(r"(?:\noriginal-recipient[ \t]*:[^\n]*)?\nfinal-recipient[ \t]*:", re.IGNORECASE)


def _blocks(text: str) -> Sequence[str]:
    """What stands between empty lines, cut again where it names a second recipient."""
    blocks = _EMPTY_LINES.split(text, _BLOCKS_MAX)
    if _lower(text).count(b"final-recipient") > 1:
        blocks = [group for block in blocks for group in _groups_in_block(block)]
    if len(blocks) > _BLOCKS_MAX:
        raise TooManyRecipients
    return blocks


def _groups_in_block(block: str) -> Iterator[str]:
    lower = _lower(block)
    if lower.count(b"final-recipient") < 2:
        yield block
        return
    original_is_first = 0 <= lower.find(b"original-recipient") < lower.find(b"final-recipient")
    groups = (_ORIGINAL_AND_FINAL if original_is_first else _FINAL).finditer("\n" + block)
    begins = [match.start() for match in islice(groups, _BLOCKS_MAX)]
    # What stands before the first recipient is about the message or about him.
    yield from (block[begin:end] for begin, end in pairwise([0, *begins[1:], len(block)]))


def _lower(text: str) -> bytes:
    """`text` with ASCII's letters in lower case, which are all that names are made of, in a fraction of the time."""
    return text.encode("utf-8", "surrogatepass").lower()


def _is_about_message(fields: Group) -> bool:
    """Whether a first group that has an Action or a Status all the same is the one about the message."""
    return "reporting-mta" in fields and "final-recipient" not in fields and "original-recipient" not in fields
