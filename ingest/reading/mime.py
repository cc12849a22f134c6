"""A message as a tree of parts: a bounded scanner over bytes that has an answer for everything.

Python's `email` recurses without bound, is quadratic in several places and raises on mail that really comes; so the
structure is found here, by searching for boundaries, with a limit on every count. Nothing is written back: bytes that are
evidence stay as they came.
"""

import binascii
import re
from functools import lru_cache
from html.entities import html5

import msgspec

from ingest.reading.charsets import decode_base64, decode_bytes, without_utf16
from ingest.reading.headers import NO_HEADERS, Headers, parameters_of, read_fields, split_head
from nullsender.limits import (
    BOUNDARIES_TRIED_MAX,
    CONTENT_TYPES_KEPT_MAX,
    NAME_CHARACTERS_MAX,
    PART_DEPTH_MAX,
    PARTS_MAX,
    READ_BYTES_MAX,
    TEXT_BYTES_MAX,
)

# RFC 2046 5.2.1 and RFC 6532 3.7: a part that is a whole message.
MESSAGE_TYPES = frozenset({"message/rfc822", "message/global", "message/rfc2822", "text/rfc822"})
# RFC 6522 section 3 and RFC 6533 section 6: the head of a message alone; the second is a misspelling that is sent.
HEAD_TYPES = frozenset({"text/rfc822-headers", "text/rfc822-header", "message/global-headers", "message/rfc822-headers"})


class Part(msgspec.Struct, frozen=True):
    """One part of a message, or the whole of it. A message inside it is the only child of its part, and is not taken apart."""

    headers: Headers
    media_type: str
    body: bytes  # as it came but for line ends: the transfer encoding is still on
    children: "tuple[Part, ...]" = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its Content-Type: charset, boundary and the like; names in lower case."""
        return parameters_of(self.headers.get("content-type"))

    def walk(self) -> "list[Part]":
        """This part and all below it, in the order in which they stand. Messages inside it are given and not entered."""
        parts = [self]
        if self.children and self.media_type not in MESSAGE_TYPES:
            for child in self.children:  # no deeper than PART_DEPTH_MAX
                parts += child.walk() if child.children else (child,)
        return parts

    def content(self) -> bytes:
        """The body without its transfer encoding, line ends LF."""
        return _decoded(self.body, self.headers)

    def text(self) -> str:
        """The body as text, at most `TEXT_BYTES_MAX` bytes of it; tags taken off where it is HTML."""
        body = self.body[: 2 * TEXT_BYTES_MAX]
        charset = _charset_of(self.headers.get("content-type")[:NAME_CHARACTERS_MAX])
        text = decode_bytes(_decoded(body, self.headers)[:TEXT_BYTES_MAX], charset)
        return text_of_html(text) if self.media_type == "text/html" else text


def parse(content: bytes) -> Part:
    """The tree of a message. `content` may be anything; at most `READ_BYTES_MAX` bytes of it are read."""
    return _Scanner().message(_with_plain_line_ends(content))


def _with_plain_line_ends(content: bytes) -> bytes:
    """Line ends as LF, NUL and byte order mark taken out, and the line that an mbox puts in front of a message."""
    data = content[:READ_BYTES_MAX]
    if 0 in data:
        data = data.replace(b"\0", b"")
    if 13 in data:  # CR
        if _LONE_CR.search(data) is not None:  # a gateway made CRCRLF of CRLF, or it is an old Macintosh's
            data = data.replace(b"\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        data = data.replace(b"\r", b"")
    data = data.removeprefix(b"\xef\xbb\xbf")
    first = len(data) - len(data.lstrip(b" \t\n"))
    data = data[data.rfind(b"\n", 0, first) + 1 :]  # empty lines in front
    if data.startswith((b"From ", b">From ")):
        data = data.partition(b"\n")[2]
    return data


_LONE_CR = re.compile(rb"\r(?!\n)")


class _Scanner:
    """Makes the tree of one message; counts its parts."""

    def __init__(self) -> None:
        self._parts_left = PARTS_MAX

    def message(self, data: bytes, depth: int = 0) -> Part:
        """The part that `data`, head and body, is."""
        self._parts_left -= 1
        headers, body = _head_and_body(data)
        content_type = headers.get("content-type")
        media_type = _media_type(content_type)
        children: tuple[Part, ...] = ()
        if media_type in MESSAGE_TYPES:
            inner = _decoded(body, headers).lstrip(b"\n")
            children = (_unopened(inner),) if inner else ()
        elif media_type.startswith("multipart/") and depth < PART_DEPTH_MAX:
            children = self._parts_of(body, parameters_of(content_type).get("boundary", ""), depth)
            if not children:  # gateways keep the type and lose the parts: what is left is text
                media_type = "text/plain"
        return Part(headers, media_type, body, children)

    def _parts_of(self, body: bytes, boundary: str, depth: int) -> tuple[Part, ...]:
        parts: list[Part] = []
        for part in _between_boundaries(body, boundary):
            if self._parts_left <= 0:
                break
            parts.append(self.message(part, depth + 1))
        return tuple(parts)


def _head_and_body(data: bytes) -> tuple[Headers, bytes]:
    head, body = split_head(data)
    return (read_fields(head) if head else NO_HEADERS), body


def _unopened(data: bytes) -> Part:
    """A message inside the message: its fields and its body. Whoever wants its parts too parses it by itself."""
    headers, body = _head_and_body(data)
    return Part(headers, _media_type(headers.get("content-type")), body)


def _media_type(content_type: str) -> str:
    """RFC 2045 5.2: what does not say, or says it in a way that can not be read, is plain text."""
    media_type = content_type.partition(";")[0].strip().lower()
    if "/" in media_type:
        return media_type
    return "multipart/mixed" if "boundary" in parameters_of(content_type) else "text/plain"


@lru_cache(maxsize=CONTENT_TYPES_KEPT_MAX)
def _charset_of(content_type: str) -> str:
    return parameters_of(content_type).get("charset", "")


def _between_boundaries(body: bytes, boundary: str) -> list[bytes]:
    """The bytes between the delimiter lines of a multipart (RFC 2046 5.1.1); the last may lack its end."""
    delimiter = b"\n--" + (boundary.encode("utf-8", "replace") or _guessed_boundary(body))
    parts: list[bytes] = []
    pieces: list[bytes] = []  # of the part that is open
    is_open = False
    for piece in (b"\n" + body).split(delimiter, BOUNDARIES_TRIED_MAX)[1:]:
        rest_of_line, _, begins = piece.partition(b"\n")
        ending = rest_of_line[:100].strip()
        if ending and ending != b"--":  # another boundary that only begins with ours
            pieces += (delimiter, piece)
            continue
        if is_open:
            parts.append(b"".join(pieces))
        if ending:
            return parts
        pieces = [begins]
        is_open = True
    if is_open and (last := b"".join(pieces)):
        parts.append(last)
    return parts


_BOUNDARY_LINE = re.compile(rb"^--([^\s].{0,200}?)[ \t]*$", re.MULTILINE)


def _guessed_boundary(body: bytes) -> bytes:
    """The boundary of a multipart that does not name it: the first line that looks like one."""
    match = _BOUNDARY_LINE.search(body[:2_000])
    return match.group(1) if match else b"\0"  # NUL was taken out: nothing matches, there are no parts


def _decoded(body: bytes, headers: Headers) -> bytes:
    """RFC 2045 section 6: base64 and quoted-printable; every other word means that there is nothing to do."""
    encoding = headers.get("content-transfer-encoding").lower()
    if encoding.startswith("base64"):
        return _with_plain_ends(without_utf16(decode_base64(body)))
    if encoding.startswith("quoted-printable"):
        return _with_plain_ends(binascii.a2b_qp(body))
    return body


def _with_plain_ends(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


_OPENS_HIDDEN = re.compile(r"<(style|script|head|title)\b[^<>]{0,1000}>", re.IGNORECASE)
_LINE_TAG = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|p|div|tr|li|/td)\b[^<>]{0,2000}>", re.IGNORECASE)
# A link to an address whose words are only a name: Exchange's recipients, where its notice is HTML alone.
_MAIL_LINK = re.compile(
    r"<a\b[^<>]{0,200}?\bhref=[\"']?mailto:([^\"'<>?\s]{3,320}+)[^<>]{0,200}+>"
    r"((?:[^<>@]{1,100}+|<(?!/a)[^<>@]{0,100}+>){1,20}+)(?=</a)",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,4000}>")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")


def text_of_html(html: str) -> str:
    """The words of `html`, with line breaks where a browser would show them."""
    text = _without_hidden(html).replace("\n", " ")
    if "mailto:" in text:
        text = _MAIL_LINK.sub(r"\2 &lt;\1&gt;", text)
    text = _LINE_TAG.sub("\n", text)
    text = _TAG.sub("", text)
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(entity: re.Match[str]) -> str:
    """What a browser shows for `entity`; the entity as it stands where there is none such."""
    name = entity[1]
    if name[0] != "#":
        shown = html5.get(f"{name};", entity[0])
    else:
        point = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        shown = chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else entity[0]
    return " " if shown == "\xa0" else shown


def _without_hidden(html: str) -> str:
    """`html` without the elements whose content is not shown. An element that never ends hides nothing."""
    shown: list[str] = []
    position = 0
    lower = html.lower()
    while opening := _OPENS_HIDDEN.search(html, position):
        closing = lower.find(f"</{opening.group(1).lower()}", opening.end())
        if closing < 0:
            break
        shown.append(html[position : opening.start()])
        position = closing
    return "".join([*shown, html[position:]])
