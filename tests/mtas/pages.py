"""The pages of docs/integrations/, as the tests configure from them.

A fenced block that is a file of somebody's configuration says after its language which file: ```` ```lua policy.lua ````.
What a reader copies from there is what the tests run, so a page can not say what does not work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "integrations"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def names() -> list[str]:
    """All pages but the table of them, by name: `postfix`."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README")


def text(page: str) -> str:
    """A page as it stands."""
    return (FOLDER / f"{page}.md").read_text()


def block(page: str, file: str, replaced: Mapping[str, str] | None = None) -> str:
    """The block of a page that is `file`, with what is different in a test: free ports, a key.

    A page that has not exactly one such block, or lacks what is to be replaced, fails the test.
    """
    found = [body for _, name, body in _BLOCK.findall(text(page)) if name == file]
    assert len(found) == 1, f"docs/integrations/{page}.md has {len(found)} blocks for {file}"
    body: str = found[0]
    for old, new in (replaced or {}).items():
        assert old in body, f"the block {file} of docs/integrations/{page}.md does not say {old}"
        body = body.replace(old, new)
    return body


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a page in `language` that are no file."""
    return [body for written_in, name, body in _BLOCK.findall(text(page)) if written_in == language and not name]
