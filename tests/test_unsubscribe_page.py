"""The page behind an unsubscribe link, its words, and the bodies that its button and providers send."""

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from api.http import unsubscribe_page as page
from api.http.languages import language_for
from api.http.one_click import Wish, read_wish

WORDS = Path(page.__file__).with_name("words")
READERS = [page.Reader(language, sender) for language in page.LANGUAGES for sender in (None, 'A & <b>"B"</b> {sender}')]
PAGES = [made for reader in READERS for made in (page.asking(reader), page.done(reader, everything=True))]


class _Read(HTMLParser):
    """The tags of a page, and whether each is closed."""

    _VOID = frozenset({"meta", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def _text(made: Response) -> str:
    return bytes(made.body).decode()


@pytest.mark.parametrize("made", PAGES, ids=[str(number) for number in range(len(PAGES))])
def test_a_page_is_sound_html_that_loads_nothing_and_runs_nothing(made: Response) -> None:
    read = _Read(_text(made))

    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "img", "link", "iframe", "a", "object"}
    assert not any(attribute.startswith("on") or attribute in ("src", "href") for _, a in read.tags for attribute in a)
    (html,) = read.all("html")
    assert html["lang"] in page.LANGUAGES
    assert len(read.all("h1")) == len(read.all("title")) == len(read.all("main")) == 1
    assert "<b>" not in _text(made), "a name is text"


@pytest.mark.parametrize("reader", READERS, ids=str)
def test_the_form_says_what_each_field_is_and_sends_what_unsubscribes(reader: page.Reader) -> None:
    read = _Read(_text(page.asking(reader)))

    (form,) = read.all("form")
    assert form == {"method": "post"}, "it posts to where the page is, token and all"
    assert len(read.all("label")) == len([one for one in read.all("input") if one["type"] == "radio"]) == 2
    assert len(read.all("legend")) == len(read.all("button")) == 1
    fields = {str(one["name"]): str(one["value"]) for one in read.all("input") if one["type"] == "hidden" or "checked" in one}
    body = urlencode(fields).encode()
    assert read_wish("application/x-www-form-urlencoded", body) == Wish(everything=False, by_page=True)


def test_the_headers_keep_the_page_to_itself() -> None:
    headers = page.asking(READERS[0]).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "noindex" in headers["x-robots-tag"]
    assert headers["cache-control"] == "no-store"
    assert headers["vary"] == "Accept-Language"


def _luminance(colour: str) -> float:
    """WCAG 2.2: relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_word_can_be_read_and_every_edge_seen(scheme: int) -> None:
    colours = dict(re.findall(r"--(\w+): (#\w{6})", re.findall(r":root \{.*?\}", page._STYLE)[scheme]))

    assert _contrast(colours["words"], colours["card"]) >= 7
    assert _contrast("#ffffff", colours["act"]) >= 4.5
    assert _contrast(colours["edge"], colours["card"]) >= 3


def test_each_language_has_a_file_and_all_say_the_same_things() -> None:
    texts = {file.stem: tomllib.loads(file.read_text(encoding="utf-8")) for file in WORDS.glob("*.toml")}

    assert texts.keys() == set(page.LANGUAGES)
    for language, said in texts.items():
        assert said.keys() == texts["en"].keys()
        for name, text in said.items():
            places = re.findall(r"\{\w+\}", texts["en"][name])
            assert set(re.findall(r"\{\w+\}", text)) <= {"{sender}", "{seconds}"}, (language, name)
            assert ("{seconds}" in text) == ("{seconds}" in places)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH", "de"),
        ("fr;q=0.4, es;q=0.8", "es"),
        ("nl, fr;q=0.5", "fr"),
        ("nl", "en"),
        ("*", "en"),
        ("*;q=0.1, ja;q=0.5", "ja"),
        ("en;q=0, *", "de"),
        ("en;q=0", "en"),
        ("de;q=2, fr", "fr"),
        ("fr, de", "fr"),
        ("de, fr", "de"),
        ("JA-jp", "ja"),
        ("de;q=0.500;q=1, es;q=0.1", "es"),
        ("zh-Hant-TW, en-GB;q=0.9, de;q=0.95", "de"),
    ],
)
def test_the_language_is_the_one_that_the_reader_likes_best(accepted: str, language: str) -> None:
    assert language_for(accepted, page.LANGUAGES) == language


@given(st.text(alphabet="abcdefr*;=q.0123456789,- \t\0é", max_size=200))
def test_any_field_gives_a_language(accepted: str) -> None:
    assert language_for(accepted, page.LANGUAGES) in page.LANGUAGES


_FIELD = 'Content-Disposition: form-data; name="List-Unsubscribe"'
_BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded; charset=UTF-8", "list-unsubscribe=one-click&utm_source=x"),
        ("", "List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click\r\n"),
        (
            f"multipart/form-data; boundary={_BOUNDARY}",
            f"--{_BOUNDARY}\r\n{_FIELD}\r\n\r\nOne-Click\r\n--{_BOUNDARY}--\r\n",
        ),
        (
            'multipart/form-data; boundary="a b"',
            f"--a b\r\nContent-Type: text/plain\r\n{_FIELD.replace(chr(34), '')}\r\n\r\nOne-Click\r\n--a b--",
        ),
        ("multipart/form-data; boundary=b", f"--b\n{_FIELD.lower()}\n\nOne-Click\n--b--\n"),
    ],
)
def test_what_providers_send_is_read(content_type: str, body: str) -> None:
    assert read_wish(content_type, body.encode()) == Wish(everything=False, by_page=False)


_TYPES = ["", "application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=b", "text/x"]
_PIECES = [b"--b", b"\r\n\r\n", b"name=", b"a=b&", b"%zz", b"\n", b"content-disposition: form-data;", b'"']


@given(st.sampled_from(_TYPES), st.binary(max_size=300) | st.lists(st.sampled_from(_PIECES)).map(b"".join))
def test_any_body_gives_an_answer(content_type: str, body: bytes) -> None:
    assert read_wish(content_type, body) is None
