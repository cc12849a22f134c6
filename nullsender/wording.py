"""Numbers with their nouns, in sentences for people: `1 row`, `2,000 rows`, `1 person`."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """`number` and its noun: `one`, or `many`, which is `one` with an s where it is not given."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
