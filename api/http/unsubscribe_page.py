"""The page behind an unsubscribe link: it asks first, says what was done, and needs neither script, cookie nor anything else.

It is the same for every token of a tenant, good or not, so that nobody learns from it who gets which mail. Its words stand in
`words/`, a file a language.
"""

import base64
import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from fastapi.responses import HTMLResponse

from api.http.languages import language_for

_FOLDER = Path(__file__).with_name("words")
LANGUAGES = ("en", "de", "fr", "es", "ja")  # the first is for whoever reads none of them

_STYLE = """
:root { color-scheme: light dark; --ground: #f3f4f6; --card: #ffffff; --words: #1a1d21; --edge: #6b7280; --act: #1d4ed8; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #111418; --card: #1c2127; --words: #eceff3; --edge: #9aa3ae; --act: #1d4ed8; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground);
  color: var(--words); font: 1.0625rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
main { width: 100%; max-width: 34rem; padding: 2rem 1.75rem; border-radius: .75rem; background: var(--card); }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
p { margin: 0; }
fieldset { margin: 1.25rem 0 0; padding: 0; border: 0; }
legend { padding: 0; margin-bottom: .75rem; }
label { display: flex; gap: .75rem; align-items: flex-start; padding: .75rem; border: 1px solid var(--edge);
  border-radius: .5rem; cursor: pointer; }
label + label { margin-top: .625rem; }
input { flex: none; width: 1.25rem; height: 1.25rem; margin: .2rem 0 0; accent-color: var(--act); }
button { width: 100%; min-height: 3rem; margin-top: 1.25rem; padding: .75rem 1rem; border: 0; border-radius: .5rem;
  background: var(--act); color: #ffffff; font: inherit; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid var(--edge); outline-offset: 2px; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address of the page is the token
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}
_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""
_FORM = """<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<input type="hidden" name="from" value="page">
<fieldset>
<legend>{question}</legend>
<label><input type="radio" name="scope" value="this" checked><span>{this}</span></label>
<label><input type="radio" name="scope" value="all"><span>{all}</span></label>
</fieldset>
<button type="submit">{button}</button>
</form>"""


class Reader(NamedTuple):
    """Who reads the page: their language, and the name under which they know the sender, where we know it."""

    language: str
    sender: str | None


def reader_of(accepted: str, sender: str | None) -> Reader:
    """Who sent this Accept-Language field."""
    return Reader(language_for(accepted, LANGUAGES), sender)


def asking(reader: Reader) -> HTMLResponse:
    """The question, with the button."""
    said = _said(reader)
    return _page(reader, HTTPStatus.OK, said["title"], _FORM.format_map(said))


def done(reader: Reader, *, everything: bool) -> HTMLResponse:
    """It is done."""
    said = _said(reader)
    return _page(reader, HTTPStatus.OK, said["done_title"], _paragraph(said["done_all" if everything else "done_this"]))


def wrong(reader: Reader) -> HTMLResponse:
    """The request asks for nothing."""
    said = _said(reader)
    return _page(reader, HTTPStatus.UNPROCESSABLE_ENTITY, said["wrong_title"], _paragraph(said["wrong"]))


def busy(reader: Reader, seconds: int) -> HTMLResponse:
    """Too many requests come from there."""
    said = _said(reader, seconds=str(seconds))
    return _page(reader, HTTPStatus.TOO_MANY_REQUESTS, said["busy_title"], _paragraph(said["busy"]), seconds)


def away(reader: Reader, seconds: int) -> HTMLResponse:
    """It can not be done now."""
    said = _said(reader)
    return _page(reader, HTTPStatus.SERVICE_UNAVAILABLE, said["away_title"], _paragraph(said["away"]), seconds)


def _page(reader: Reader, status: HTTPStatus, title: str, content: str, retry_seconds: int | None = None) -> HTMLResponse:
    page = _PAGE.format(language=reader.language, title=title, style=_STYLE, content=content)
    headers = {**_HEADERS, "Content-Language": reader.language}
    if retry_seconds is not None:
        headers["Retry-After"] = str(retry_seconds)
    return HTMLResponse(page, status, headers)


def _paragraph(text: str) -> str:
    return f'<p role="status">{text}</p>'


def _said(reader: Reader, **facts: str) -> Mapping[str, str]:
    """All sentences as HTML, with the names in them."""
    texts = _texts(reader.language)
    names = {"sender": reader.sender or texts["nameless"], "seconds": "", **facts}
    return {name: escape(text.format_map(names)) for name, text in texts.items()}


@cache
def _texts(language: str) -> Mapping[str, str]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
