"""The words of a notice: what a mail system tells a person, up to where the returned mail begins.

Systems without a report part put the returned mail behind their words, in the same text. Addresses and errors behind that
line are none of the notice's, so everything else reads what this module leaves.
"""

import re

import msgspec

from ingest.reading.codes import has_reply_line
from ingest.reading.headers import read_fields
from ingest.reading.mime import MESSAGE_TYPES, Part
from ingest.reading.returned import NOTHING_RETURNED, Returned
from nullsender.limits import NOTICE_CHARACTERS_MAX, NOTICE_LINE_CHARACTERS_MAX, NOTICE_LINES_MAX

_TEXT_PARTS_MAX = 4

# The line that announces the returned mail, as a hundred systems say it: dashes and stars, then one of these.
_COPY = (
    r"below (?:this line )?is a copy|(?:this|here|enclosed|included|attached|following|below) is (?:a |the )?(?:copy|header)"
)
_FOLLOWING = r"(?:the )?(?:following is|included is|enclosed is|here is)[^\n]{0,20}(?:copy|header|original)"
_A_COPY = r"a (?:copy|summary) of (?:the|your)[^\n]{0,30}(?:message|mail)[^\n]{0,30}(?:below|follow|attached|is:|:$)"
_FIRST_LINES = r"the (?:first|header)[^\n]{0,40}(?:message|mail)[^\n]{0,10}(?:follow|below|is following)"
_ORIGINAL = (
    r"(?:your )?(?:original|unsent|returned|undelivered|rejected|bounced|failed|old|forwarded)[ -](?:message|mail|e-?mail)"
    r"(?: headers?| text| info)?(?: follows?| below| is attached| attached| \(max[^\n]{0,20}|)[ \t.:*=_#|-]{0,90}$"
)
_HEADERS = r"message (?:headers?|text|body)(?: follows?| below| suppressed)[ \t.:*=_#|-]{0,90}$"
_ELSEWHERE = (
    r"mensaje original|mensagem original|message d.origine|urspr[üu]ngliche nachricht|messaggio originale|исходное письмо"
    r"|исходное сообщение|原始邮件|元のメール"
)
_ANNOUNCES = re.compile(
    rf"^[ \t>*=_#|-]{{0,90}}(?:{_COPY}|{_FOLLOWING}|{_A_COPY}|{_FIRST_LINES}|{_ORIGINAL}|{_HEADERS}|{_ELSEWHERE})",
    re.IGNORECASE | re.MULTILINE,
)
# A head that begins without announcement: these fields stand first in a line of no notice's own words.
_HEAD_BEGINS = re.compile(
    r"^(?:Return-Path|Received|Message-ID|DKIM-Signature|X-Originating-IP|X-Received|MIME-Version|Delivered-To):",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTED = re.compile(r"^[ \t]?[>|].*$", re.MULTILINE)


class Notice(msgspec.Struct, frozen=True):
    """The words before the returned mail, line by line, and the returned mail where it stood in the text."""

    text: str
    lines: tuple[str, ...]
    was_cut: bool = False  # from the returned mail behind it
    is_cut: bool = False  # by our bounds: words are missing
    returned: Returned = NOTHING_RETURNED

    def unquoted(self) -> str:
        """The text without the lines that it quotes."""
        return _QUOTED.sub("", self.text)

    def until(self, position: int | None) -> "Notice":
        """The notice up to that place in its text."""
        text = self.text[:position]
        return msgspec.structs.replace(self, text=text, lines=_lines_of(text))

    def has_reply(self) -> bool:
        """Whether a line is a negative SMTP reply, and not one that a person quotes."""
        return has_reply_line(self.unquoted())


def read_notice(message: Part) -> Notice:
    """The notice that `message` brings in its own text parts."""
    text = _own_text(message)[: 2 * NOTICE_CHARACTERS_MAX]
    cut = _where_the_original_begins(text)
    words = text[:cut][:NOTICE_CHARACTERS_MAX]
    return Notice(
        text=words,
        lines=_lines_of(words),
        was_cut=cut < len(text),
        is_cut=cut > NOTICE_CHARACTERS_MAX or words.count("\n") >= NOTICE_LINES_MAX,
        returned=_returned_in(text[cut:]) if cut < len(text) else NOTHING_RETURNED,
    )


def _lines_of(words: str) -> tuple[str, ...]:
    return tuple(line[:NOTICE_LINE_CHARACTERS_MAX].rstrip() for line in words.split("\n")[:NOTICE_LINES_MAX])


def _own_text(message: Part) -> str:
    """The text parts that stand before a returned message; the plain ones, or the HTML ones where there is no plain one."""
    plain: list[str] = []
    html: list[str] = []
    for part in message.walk():
        if part.children or len(plain) >= _TEXT_PARTS_MAX or part.media_type in MESSAGE_TYPES:
            continue
        if part.media_type == "text/html":
            html.append(part.text())
        elif part.media_type.startswith("text/") and "rfc822" not in part.media_type:
            plain.append(part.text())
    words = "\n".join(plain)
    return words if words.strip() else "\n".join(html[:_TEXT_PARTS_MAX])


def _where_the_original_begins(text: str) -> int:
    places = [match.start() for pattern in (_ANNOUNCES, _HEAD_BEGINS) if (match := pattern.search(text))]
    return min(places, default=len(text))


def _returned_in(text: str) -> Returned:
    """The head of the returned mail in `text`, which begins with the line that announces it, or with the head itself."""
    begins = _HEAD_FIELD.search(text)
    if begins is None:
        return NOTHING_RETURNED
    head = text[begins.start() :]
    fields = read_fields(head.partition("\n\n")[0].encode("utf-8", "replace"))
    return Returned(head.encode("utf-8", "replace"), fields) if len(fields) > 1 else NOTHING_RETURNED


_HEAD_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9-]{1,40}:[ \t]?\S", re.MULTILINE)
