"""A list's bytes become rows: suppressions, and what is refused. Pure: whatever they are, they cost bounded memory.

Nothing but `Invalid` is raised, and that only for a file that is no list at all.

The beginning says how the rest is written (`detect.py`). After that, no row spoils another.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_LOOKED_AT_BYTES, IMPORT_WORDS_CHARACTERS_MAX
from suppression.exports.cells import unguarded
from suppression.imports.detect import is_comment, layout_of, shape_of
from suppression.imports.lines import lines_of, utf8_of
from suppression.imports.objects import objects_of
from suppression.imports.row import Refused, Row, address_of
from suppression.imports.systems import OURS, Fields, Shape
from suppression.imports.table import Records, single_fields

_OBJECTS_LOOKED_AT = 50

RowOrRefused: TypeAlias = Row | Refused


class Reading(NamedTuple):
    """What a list is, and its rows."""

    format: str
    why: str  # how that is known, for the operator
    rows: Iterator[RowOrRefused]


def read_list(pieces: Iterable[bytes], chosen: str | None) -> Reading:
    """The rows of a list of text. `Invalid` where it is no list, or nobody can tell which; `chosen` names its format."""
    text = utf8_of(pieces)
    begins: list[bytes] = []
    while sum(map(len, begins)) < IMPORT_LOOKED_AT_BYTES and (piece := next(text, None)) is not None:
        begins.append(piece)
    sample = b"".join(begins)
    whole = chain(begins, text)
    if sample.lstrip().startswith((b"[", b"{")):
        return _read_objects(sample, whole, chosen)
    return _read_table(sample, whole, chosen)


def _read_objects(sample: bytes, whole: Iterable[bytes], chosen: str | None) -> Reading:
    looked_at = (item for item in objects_of([sample]) if not isinstance(item, Refused))
    names: set[str] = set()
    for (_, fields), _number in zip(looked_at, range(_OBJECTS_LOOKED_AT), strict=False):
        names |= fields.keys()
    if not names:
        raise Invalid("this looks like JSON, and no object near its beginning names an address")
    shape, why = shape_of(names, chosen)
    return Reading(shape.name, why, rows_of(objects_of(whole), shape))


def _read_table(sample: bytes, whole: Iterable[bytes], chosen: str | None) -> Reading:
    layout = layout_of([line for line in lines_of([sample]) if line is not None], chosen)
    lines = lines_of(whole)
    records = single_fields(lines) if layout.separator is None else Records(lines, layout.separator)
    items = _named(records, layout.names, layout.has_header, is_ours=layout.shape.name == OURS)
    return Reading(layout.shape.name, layout.why, rows_of(items, layout.shape))


def _named(
    records: Iterable[tuple[int, list[str]] | Refused], names: Sequence[str], has_header: bool, *, is_ours: bool
) -> Iterator[tuple[int, Fields] | Refused]:
    """Records with the names of their columns; without blank lines, comments and the header.

    Our own exports guard cells against spreadsheets: that is undone.
    """
    for record in records:
        if isinstance(record, Refused):
            yield record
            continue
        line, cells = record
        if not any(cells) or is_comment(cells[0]):
            continue
        if has_header:
            has_header = False
            continue
        yield line, dict(zip(names, map(unguarded, cells) if is_ours else cells, strict=False))


def rows_of(items: Iterable[tuple[int, Fields] | Refused], shape: Shape) -> Iterator[RowOrRefused]:
    """What records of that shape come to."""
    field, read = shape.address, shape.read
    for item in items:
        if isinstance(item, Refused):
            yield item
            continue
        line, fields = item
        text = fields.get(field) or fields.get("known_as")  # a hash, in an export of ours
        written = text if isinstance(text, str) else ""
        try:
            address = address_of(written)
            found = [Row(line, address, said) for said in read(fields)]
        except Invalid as invalid:
            yield Refused(line, written[:IMPORT_WORDS_CHARACTERS_MAX], invalid.reason)
        else:
            yield from found
