"""Which shape a list has. Its rows say it: by the names of their fields, or without any by what stands where.

Two lists with the same fields are told apart by nobody, and a wrong guess would put the wrong cause on thousands of people.
Then the operator has to say what it is.
"""

import csv
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_COLUMN_SHOWN_CHARACTERS_MAX, IMPORT_COLUMNS_SHOWN_MAX
from suppression.imports.row import looks_like_hash
from suppression.imports.systems import ADDRESS_FIELDS, FORMATS, PLAIN, SHAPES, Shape, field_name, plain_shape

_SEPARATORS: Final = ",;\t|"
_SES_WORDS: Final = {"BOUNCE", "COMPLAINT"}


class Layout(NamedTuple):
    """How the records of a text file are written, and what shape they have."""

    shape: Shape
    separator: str | None  # None: a line is one field
    names: Sequence[str]  # of its columns, in their order
    has_header: bool
    why: str  # a sentence for the operator


def shape_of(names: Collection[str], chosen: str | None) -> tuple[Shape, str]:
    """The shape of records with these fields, and why it is that one.

    `chosen` is the format that the operator named. `Invalid` where it does not fit, or nobody can tell.
    """
    if chosen is not None:
        return _chosen(names, chosen), "named by you"
    fitting = [shape for shape in SHAPES if shape.fields <= frozenset(names)]
    fitting = [shape for shape in fitting if shape.telling] or fitting
    most = max((len(shape.fields) for shape in fitting), default=0)
    best = list({shape.name: shape for shape in fitting if len(shape.fields) == most}.values())
    if len(best) == 1 and best[0].telling:
        return best[0], f"its rows have {', '.join(sorted(best[0].fields))}"
    if best:
        likely = ", ".join([*(shape.name for shape in best), *(() if best[0].telling else (PLAIN,))])
        raise Invalid(f"this list has the same columns as several: say which it is, its `format` is one of {likely}")
    return _plain(names), "its columns are those of no system that we know"


def _chosen(names: Collection[str], chosen: str) -> Shape:
    if chosen == PLAIN:
        return _plain(names)
    shapes = [shape for shape in SHAPES if shape.name == chosen]
    if not shapes:
        raise Invalid(f"there is no format {chosen!r}; there are {', '.join(FORMATS)}")
    fitting = [shape for shape in shapes if shape.fields <= frozenset(names)] or [it for it in shapes if it.address in names]
    if not fitting:
        raise Invalid(f"this is no list of the format {chosen}: it has no {shapes[0].address!r}, but {_shown(names)}")
    return fitting[0]


def _plain(names: Collection[str]) -> Shape:
    field = next((name for name in ADDRESS_FIELDS if name in names), None)
    if field is None:
        raise Invalid(f"no column holds addresses: name it `email` or `address` (it has {_shown(names)})")
    return plain_shape(field)


def _shown(names: Collection[str]) -> str:
    return ", ".join([name[:IMPORT_COLUMN_SHOWN_CHARACTERS_MAX] for name in names][:IMPORT_COLUMNS_SHOWN_MAX]) or "none"


def layout_of(lines: Sequence[str], chosen: str | None) -> Layout:
    """How a text file is written that begins with these lines (some may be blank). `Invalid` where nobody can tell."""
    first = next((line for line in lines if line.strip() and not is_comment(line)), None)
    if first is None:
        raise Invalid("the file is empty" if not any(line.strip() for line in lines) else "the file has comments only")
    separator = max(_SEPARATORS, key=first.count)
    cells = _cells(first, separator)
    names = [field_name(cell) for cell in cells]
    place = _place_of(cells)
    if place is None and _is_no_header(names) and chosen in (None, PLAIN):
        # Columns with names of any language, or a row that is no address: where the next rows have theirs is what counts.
        cells = next((row for row in (_cells(line, separator) for line in lines) if _place_of(row) is not None), cells)
        place = _place_of(cells)
    if place is None:
        shape, why = shape_of(names, chosen)
        return Layout(shape, separator, names, True, why)
    if len(cells) > place + 1 and cells[place + 1].strip() in _SES_WORDS and chosen in (None, "ses"):
        names = [f"column_{number}" for number in range(place)] + ["emailaddress", "reason"]
        return Layout(shape_of(names, "ses")[0], separator, names, False, "an address and BOUNCE or COMPLAINT in each row")
    if chosen not in (None, PLAIN):
        raise Invalid(f"a list of the format {chosen} begins with a line that names its columns, and this one does not")
    names = [f"column_{number}" for number in range(place)] + ["address"]
    return Layout(
        plain_shape("address"),
        None if len(cells) == 1 else separator,
        names,
        False,
        "addresses or hashes without names of columns",
    )


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line.replace("\r", " ")], delimiter=separator), [])


def _place_of(cells: Sequence[str]) -> int | None:
    """Which of them holds an address or a hash."""
    return next((place for place, cell in enumerate(cells) if "@" in cell or looks_like_hash(cell.strip())), None)


def _is_no_header(names: Sequence[str]) -> bool:
    """Whether a first line names no column that we know."""
    return not any(shape.fields <= frozenset(names) for shape in SHAPES) and not any(name in ADDRESS_FIELDS for name in names)


def is_comment(line: str) -> bool:
    """A line for people. What has an @ is an address, for one may begin with such a character."""
    return line.startswith("#") and "@" not in line
