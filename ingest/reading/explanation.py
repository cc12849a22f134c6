"""Why a notice says that one recipient did not get the mail.

The reason mostly follows the address: on its line, on the lines below, behind an empty line. Some systems put it before the
address, and transcripts of a dialogue hold it anywhere. What is taken are whole lines, as they stand.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from ingest.reading.codes import has_reply_line, reply_code_in, status_code_in
from ingest.reading.finding import one_line
from ingest.reading.lazy import lazy
from ingest.reading.mentions import mentions_in
from ingest.reading.namings import Naming, Way
from ingest.reading.notice_words import Notice

_SENTENCE_LINES_MAX = 3


class Explanations:
    """The reasons that one notice gives, for each recipient that it names."""

    def __init__(self, notice: Notice, namings: Sequence[Naming]) -> None:
        self._notice = notice
        self._namings = namings  # in the order of their lines
        self._places: dict[str, list[Naming]] = {}
        for naming, last in zip(namings, _ends_of_lists(namings), strict=True):
            self._places.setdefault(naming.address.lower(), []).append(last)

    def of(self, names: Sequence[str], *, alone: bool) -> str:
        """The words that say why the recipient with these names, in lower case, failed, on one line.

        `alone`: there is no other, so all words are about it. Of several, one that is not named gets no words where others
        are: they are about those, and an unknown user there makes none of him.
        """
        places = self._places_of(names)
        if not places:
            return "" if self._namings and not alone else self._paragraphs_with_codes or self._whole
        lines = self._notice.lines
        place = places[0] if len(places) == 1 else max(places, key=attrgetter("way"))
        end = self._next_recipient(place)
        near, near_end = _paragraph(lines, place, end, begin=self._behind_last_recipient(place))
        if _has_code(near):
            return f"{near} {self._state_of_account}".strip() if alone else near
        if replies := self._replies_about(names, alone=alone) or self._codes_below(places, place):
            return f"{near} {replies}".strip()
        behind = _joined(lines[near_end:end])
        if not alone and self._is_about_others(behind, names):
            behind = ""
        if not place.is_listed:
            words = f"{near} {behind}".strip()
            return words if _has_code(behind) or not alone else self._paragraphs_with_codes or words
        if says_something(near):
            return f"{near} {self._paragraphs_about(names)}".strip() if alone else near
        if not says_something(behind):
            return (self._paragraphs_with_codes if alone else self._paragraphs_about(names)) or self._before_addresses
        if _has_code(behind):
            return behind
        if not alone:
            return self._paragraphs_about(names) or behind
        return f"{self._before_addresses} {behind}".strip() if behind.lower().startswith(_REQUESTS) else behind

    def _places_of(self, names: Sequence[str]) -> Sequence[Naming]:
        """Where the recipient is named, under the first of its names that is."""
        return next((places for name in names if (places := self._places.get(name))), ())

    def _codes_below(self, places: Sequence[Naming], place: Naming) -> str:
        """What stands with a code where the address is listed again: Exchange tells the user first, then administrators."""
        last = next((other for other in reversed(places) if other.is_listed), place) if len(places) > 1 else place
        if last is place:
            return ""
        reason, _ = _paragraph(self._notice.lines, last, self._next_recipient(last), begin=last.line)
        return reason if _has_code(reason) else ""

    def heard_about(self, names: Sequence[str]) -> str:
        """The first reply of the remote MTA with one of `names`, where the notice has a transcript as Sendmail writes it.

        Behind it Sendmail writes a reply of its own, with an enhanced code that it makes up from the other's 550.
        """
        if _HEARD not in self._notice.text:
            return ""
        heard = (one_line(line.strip()[3:]) for line in self._notice.lines if line.lstrip().startswith(_HEARD))
        replies = (reply for reply in heard if has_reply_line(reply))
        reply = next((reply for reply in replies if any(name in reply.lower() for name in names)), "")
        return self.end_of_reply(reply)

    def end_of_reply(self, beginning: str) -> str:
        """The whole of a reply of which a report part quotes only the first line, as Sendmail does: `552-5.7.0 This …`.

        RFC 5321 4.2.1: every line but the last has a hyphen behind its code. The other lines stand in the notice's transcript.
        """
        if not is_unfinished(beginning):
            return beginning
        code = beginning[:3]
        replies = [line.strip(" <\t") for line in self._notice.lines if line.lstrip(" <\t").startswith(code)]
        begins = next((number for number, line in enumerate(replies) if one_line(line) == beginning), None)
        if begins is None:
            return beginning
        last = next((number for number in range(begins, len(replies)) if replies[number][3:4] == " "), len(replies) - 1)
        return _joined(replies[begins : last + 1])

    def _next_recipient(self, place: Naming) -> int:
        """The line where the next address stands that is named as surely, or the end."""
        if self._namings[-1].line <= place.line:
            return len(self._notice.lines)
        behind = bisect_right(self._namings, place.line, key=attrgetter("line"))
        address = place.address.lower()
        others = (n for n in self._namings[behind:] if n.way >= place.way and n.address.lower() != address)
        return next((naming.line for naming in others), len(self._notice.lines))

    def _behind_last_recipient(self, place: Naming) -> int:
        """The line behind the last address before `place` that is another's and named as surely, or the beginning.

        In a dialogue it is the line of `place`: what stands between two commands answers the first. The others of a list are
        none: the sentence around it is about all of them.
        """
        if place.is_next:
            return 0
        address = place.address.lower()
        before = reversed(self._namings[: bisect_left(self._namings, place.line, key=attrgetter("line"))])
        last = next((naming for naming in before if naming.way >= place.way and naming.address.lower() != address), None)
        if last is None:
            return 0
        return place.line if place.way is Way.COMMANDED else last.line + 1

    def _replies_about(self, names: Sequence[str], *, alone: bool) -> str:
        """The SMTP replies of the notice: all, or those that name the recipient."""
        if not self._reply_lines:
            return ""
        return _joined([line for line in self._reply_lines if alone or any(name in line.lower() for name in names)])

    def _is_about_others(self, words: str, names: Sequence[str]) -> bool:
        """Whether `words` name other recipients that the notice lists, and not this one: a transcript with their replies."""
        named = {address.lower() for address, _, _ in mentions_in(words)}
        return named.isdisjoint(names) and any(naming.is_listed and naming.address.lower() in named for naming in self._namings)

    @lazy
    def _before_addresses(self) -> str:
        """What stands before the first address that is listed: some systems say there why, and behind only what to do."""
        return _joined(self._notice.lines[: next((naming.line for naming in self._namings if naming.is_listed), 0)])

    @lazy
    def _state_of_account(self) -> str:
        """A sentence before the addresses about the account that says more than the reply: the 550 of one that is disabled."""
        if "account" not in self._notice.text:
            return ""
        state = _STATE_OF_ACCOUNT.search(self._before_addresses)
        return state.group() if state else ""

    @lazy
    def _whole(self) -> str:
        return whole_of(self._notice)

    @lazy
    def _reply_lines(self) -> list[str]:
        if not self._notice.has_replies:
            return []
        return [line for line in self._notice.lines if has_reply_line(line)]

    @lazy
    def _paragraphs_with_codes(self) -> str:
        return one_line(" ".join(self._coded_paragraphs))

    @lazy
    def _coded_paragraphs(self) -> list[str]:
        text = self._notice.text
        if _CODE.search(text) is None:
            return []
        return [words for words in _PARAGRAPHS.split(text) if _has_code(one_line(words))]

    def _paragraphs_about(self, names: Sequence[str]) -> str:
        """The paragraphs with codes that name nobody, or only the recipient with these names."""
        by_name = self._coded_paragraphs_by_name
        return one_line(" ".join([words for name in ("", *names) for words in by_name.get(name, ())]))

    @lazy
    def _coded_paragraphs_by_name(self) -> dict[str, list[str]]:
        """By the only address in them, in lower case, `""` where there is none; those with several are left out."""
        by_name: dict[str, list[str]] = {}
        for words in self._coded_paragraphs:
            names = {address.lower() for address, _, _ in mentions_in(words)} or {""}
            if len(names) == 1:
                by_name.setdefault(names.pop(), []).append(words)
        return by_name


def _ends_of_lists(namings: Sequence[Naming]) -> list[Naming]:
    """For each naming the last of the list that it stands in, itself where it stands alone: the reason follows all of them."""
    ends = list(namings)
    for place in range(len(ends) - 2, -1, -1):
        if namings[place + 1].is_next:
            ends[place] = ends[place + 1]
    return ends


_STATE_OF_ACCOUNT = re.compile(r"\baccount (?:is|was|has been) [^.:]{1,60}\.")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


def whole_of(notice: Notice) -> str:
    """All the words of `notice` but for lines of dashes and stars, on one line."""
    return _joined(notice.lines)


_HEARD = "<<< "
_UNFINISHED_REPLY = re.compile(r"[45]\d\d-")


def is_unfinished(reply: str) -> bool:
    """Whether it is a reply of several lines without its last one (RFC 5321 4.2.1)."""
    return reply[3:4] == "-" and _UNFINISHED_REPLY.match(reply) is not None and f" {reply[:3]} " not in reply


def _paragraph(lines: Sequence[str], place: Naming, end: int, *, begin: int) -> tuple[str, int]:
    """What stands on the address's line and on those directly below, and the line behind them.

    A listed address itself says nothing and is left out; a sentence around an address is taken from its beginning, but not
    from above the line `begin`: what stands there is said of somebody else.
    """
    after = place.line + 1
    while after < end and lines[after].strip():
        after += 1
    if place.is_listed:
        rest = lines[place.line][place.end :].lstrip(" \t>\"')]:;,.-")
        return _joined([rest, *lines[place.line + 1 : after]]), after
    before = place.line
    while before > begin and lines[before - 1].strip() and place.line - before < _SENTENCE_LINES_MAX:
        before -= 1
    return _joined(lines[before:after]), after


_REQUESTS = ("please", "if you ", "for further", "for assistance", "for help", "contact", "bitte", "veuillez")
_RULERS = " \t*=_-#+~"


def _joined(lines: Sequence[str]) -> str:
    return one_line(" ".join([line for line in lines if line.strip(_RULERS)]))


def _has_code(words: str) -> bool:
    if _CODE.search(words) is None:  # most words have none, and where there is one is harder to tell
        return False
    return status_code_in(words) is not None or reply_code_in(words) is not None


_CODE = re.compile(r"[245](?:\d\d|\.\d)")


def says_something(words: str) -> bool:
    """Whether there are words in it, and not only numbers and signs: `X-Unix; 69` is no reason."""
    return _WORD.search(words) is not None


_WORD = re.compile(r"[^\W\d_]{3}")
