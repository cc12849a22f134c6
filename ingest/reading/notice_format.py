"""Which system wrote a notice: for people who read reports, and for rules that know a system's habits."""

from ingest.reading.notice_words import Notice
from ingest.reading.phrases import FORMATS

_NAMES = (*FORMATS, "notice")
_WORDS_BYTES = 2_000


def format_of(notice: Notice) -> str:
    """The name of the system whose mark the notice bears in its From, its Subject or its first words, or `notice`."""
    said = (notice.sender_says, notice.subject_says, notice.words_say)
    return _NAMES[min(each.format(_WORDS_BYTES) for each in said)]
