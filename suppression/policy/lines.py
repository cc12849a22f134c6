"""On which line of a TOML text something stands: the standard library's reader does not say."""

import tomllib
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]


def line_of(text: str, path: Path) -> int:
    """The line, from 1 on, where `path` is said, or the nearest that it is a part of; 1 where there is none."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        if words.startswith("["):
            header = _path_in(words.partition("#")[0])
            table = header if header is not None else table
            found.setdefault(table, number)
        elif "=" in words and not words.startswith("#"):
            key = _path_in(words.partition("=")[0] + "= 0")
            if key is not None:
                found.setdefault(table + key, number)
    return next((found[path[:end]] for end in range(len(path), 0, -1) if path[:end] in found), 1)


def _path_in(line: str) -> Path | None:
    """The names of the one table or key that a line of TOML begins."""
    try:
        told = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None  # a line within a list or a long text
    path: list[str] = []
    while isinstance(told, dict) and len(told) == 1:
        ((name, told),) = told.items()
        path.append(name)
    return tuple(path)
