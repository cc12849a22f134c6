"""Cells of CSV that a spreadsheet does not take for formulas, and back.

A program that opens a CSV file may run a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return. Such a cell gets
an apostrophe before it, and so does one that begins with an apostrophe: then taking one away gives back what there was.
"""

from typing import Final

_GUARD: Final = "'"
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", _GUARD)


def guarded(text: str) -> str:
    """`text` as a cell that no spreadsheet runs."""
    return _GUARD + text if text.startswith(_DANGEROUS) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell.removeprefix(_GUARD)
