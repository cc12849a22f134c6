"""The words of a notice: what a mail system tells a person, up to where the returned mail begins.

Systems without a report part put the returned mail behind their words, in the same text. Addresses and errors behind that
line are none of the notice's, so everything else reads what this module leaves.
"""

import re

from ingest.reading.codes import has_reply_line
from ingest.reading.headers import fields_in
from ingest.reading.lazy import lazy
from ingest.reading.mime import MESSAGE_TYPES, Part
from ingest.reading.returned import NOTHING_RETURNED, Returned
from ingest.reading.said import Said, Says, plain, said_in
from nullsender.limits import NOTICE_CHARACTERS_MAX, NOTICE_LINE_CHARACTERS_MAX, NOTICE_LINES_MAX
from nullsender.matching import CASELESS, MULTILINE, Patterns

_TEXT_PARTS_MAX = 4

_SENDER_CHARACTERS_MAX = 500

# The line that announces the returned mail, as a hundred systems say it: dashes and stars, then one of these.
_COPY = (
    r"below (?:this line )?is a copy|(?:this|here|enclosed|included|attached|following|below) is (?:a |the )?(?:copy|header)"
)
_FOLLOWING = r"(?:the )?(?:following is|included is|enclosed is|here is)[^\n]{0,20}(?:copy|header|original)"
_A_COPY = r"a (?:copy|summary) of (?:the|your)[^\n]{0,30}(?:message|mail)[^\n]{0,30}(?:below|follow|attached|is:|:$)"
_FIRST_LINES = r"the (?:first|header)[^\n]{0,40}(?:message|mail)[^\n]{0,10}(?:follow|below|is following)"
_ORIGINAL = (
    r"(?:your |the |start of (?:the )?|here is your )?"
    r"(?:original|unsent|returned|undelivered|rejected|bounced|failed|old|forwarded)[ -](?:message|mail|e-?mail)"
    r"(?: headers?| text| info| details)?"
    r"(?: (?:as )?follows?| below| is attached| attached| \(max[^\n]{0,20}|)[ \t.:*=_#|-]{0,90}$"
)
_HEADERS = r"(?:the )?message (?:headers?|text|body)(?: follows?| below| suppressed)[ \t.:*=_#|-]{0,90}$"
_READS = r": message contains \[\d{1,3}\] file attach|your message (?:reads|follows)\b"  # MDaemon, Smail
_ELSEWHERE = (
    r"mensaje original|mensagem original|message d.{1,3}origine|urspr(?:ü|u)ngliche nachricht|messaggio originale"
    r"|(?:И|и)сходное (?:письмо|сообщение)|原始邮件|元のメール"
)
# A head that begins without announcement: these fields stand first in a line of no notice's own words.
_HEAD_BEGINS = r"^(?:Return-Path|Received|Message-ID|DKIM-Signature|X-Originating-IP|X-Received|MIME-Version|Delivered-To):"
# What else lines tell.
_QUOTED = r"^[ \t]?[>|]"
_REPLY = r"^[ \t<>=:]{0,12}[45][0-5]\d(?:[ \t-]|$)"
_REPORT_FIELD = r"^(?:final|original)-recipient[ \t]*:"
_CODES = r"\b[45][0-5]\d[ -]#?[45]\.\d{1,3}\.\d{1,3}\b"
_IS_ORIGINAL, _IS_QUOTED, _IS_REPLY, _IS_REPORT_FIELD, _IS_CODES = range(5)
_ANNOUNCED = (_COPY, _FOLLOWING, _A_COPY, _FIRST_LINES, _ORIGINAL, _HEADERS, _READS, _ELSEWHERE)
_ORIGINALS = [*(rf"^[ \t>*=_#|-]*(?:{words})" for words in _ANNOUNCED), _HEAD_BEGINS]
_LINES = Patterns(
    [*_ORIGINALS, _QUOTED, _REPLY, _REPORT_FIELD, _CODES],
    [*[_IS_ORIGINAL] * len(_ORIGINALS), _IS_QUOTED, _IS_REPLY, _IS_REPORT_FIELD, _IS_CODES],
    flags=CASELESS | MULTILINE,
)
_QUOTED_LINE = re.compile(rf"{_QUOTED}.*$", re.MULTILINE)


class Notice:
    """The words before the returned mail, and that mail where it stood in the text. What else is asked is found when it is."""

    def __init__(self, message: Part, text: str, behind: str, kinds_of_lines: frozenset[int], *, is_cut: bool) -> None:
        self._message = message
        self._behind = behind
        self._kinds_of_lines = kinds_of_lines
        self.text = text
        self.is_cut = is_cut  # by our bounds: words are missing

    @property
    def was_cut(self) -> bool:
        """Whether returned mail stood behind it."""
        return self._behind != ""

    def until(self, position: int | None) -> "Notice":
        """The notice up to that place in its text."""
        return Notice(self._message, self.text[:position], self._behind, self._kinds_of_lines, is_cut=self.is_cut)

    @lazy
    def lines(self) -> tuple[str, ...]:
        """The text line by line."""
        lines = self.text.split("\n", NOTICE_LINES_MAX)
        del lines[NOTICE_LINES_MAX:]
        if len(self.text) > NOTICE_LINE_CHARACTERS_MAX:
            lines = [line[:NOTICE_LINE_CHARACTERS_MAX] for line in lines]
        return tuple([line.rstrip() for line in lines])

    @lazy
    def unquoted(self) -> str:
        """The text without the lines that it quotes."""
        return _QUOTED_LINE.sub("", self.text) if _IS_QUOTED in self._kinds_of_lines else self.text

    @property
    def has_replies(self) -> bool:
        """Whether a line is a negative SMTP reply, quoted by a person or not."""
        return _IS_REPLY in self._kinds_of_lines

    @lazy
    def has_reply(self) -> bool:
        """Whether a line is a negative SMTP reply, and not one that a person quotes."""
        if _IS_QUOTED in self._kinds_of_lines:
            return has_reply_line(self.unquoted)
        return _IS_REPLY in self._kinds_of_lines

    @property
    def has_report_fields(self) -> bool:
        """Whether a line names a recipient as a report part does."""
        return _IS_REPORT_FIELD in self._kinds_of_lines

    @property
    def has_both_codes(self) -> bool:
        """Whether somewhere in it a reply code and an enhanced status code stand together, as in `550 5.1.1`."""
        return _IS_CODES in self._kinds_of_lines

    @lazy
    def returned(self) -> Returned:
        """The returned mail behind the words."""
        return _returned_in(self._behind) if self._behind else NOTHING_RETURNED

    @lazy
    def sender(self) -> str:
        """The From, in plain form."""
        return plain(self._message.headers.text("from")[:_SENDER_CHARACTERS_MAX])

    @lazy
    def subject(self) -> str:
        """The Subject, in plain form."""
        return plain(self._message.headers.text("subject"))

    @lazy
    def sender_says(self) -> Said:
        """What its From says."""
        return said_in(self.sender)

    @lazy
    def subject_says(self) -> Said:
        """What its Subject says."""
        return said_in(self.subject)

    @lazy
    def words_say(self) -> Said:
        """What its words say, but for those that it quotes."""
        return said_in(plain(self.unquoted))

    def says(self, says: Says) -> bool:
        """Whether its Subject or its words say so."""
        return says in self.subject_says or says in self.words_say


def read_notice(message: Part) -> Notice:
    """The notice that `message` brings in its own text parts."""
    text = _own_text(message)[: 2 * NOTICE_CHARACTERS_MAX]
    data = text.encode("utf-8", "replace")
    lines = _LINES.first_ends(data)
    cut_bytes = data.rfind(b"\n", 0, lines[_IS_ORIGINAL]) + 1 if _IS_ORIGINAL in lines else len(data)
    cut = cut_bytes if len(data) == len(text) else len(data[:cut_bytes].decode())
    return Notice(
        message,
        text[: min(cut, NOTICE_CHARACTERS_MAX)],
        text[cut:],
        frozenset([kind for kind, end in lines.items() if end <= min(cut_bytes, NOTICE_CHARACTERS_MAX)]),
        is_cut=cut > NOTICE_CHARACTERS_MAX or text.count("\n", 0, cut) >= NOTICE_LINES_MAX,
    )


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


def _returned_in(text: str) -> Returned:
    """The head of the returned mail in `text`, which begins with the line that announces it, or with the head itself."""
    begins = _HEAD_FIELD.search(text)
    if begins is None:
        return NOTHING_RETURNED
    head = text[begins.start() :]
    fields = fields_in(head.partition("\n\n")[0])
    return Returned(head.encode("utf-8", "replace"), fields) if fields.has_several else NOTHING_RETURNED


_HEAD_FIELD = re.compile(r"^[A-Za-z][A-Za-z0-9-]{1,40}:[ \t]?\S", re.MULTILINE)
