"""Which system wrote a notice: for people who read reports, and for rules that know a system's habits."""

from ingest.reading.notice_words import Notice
from ingest.reading.phrases import FORMATS

_NAMES = (*FORMATS, "notice")
_WORDS_BYTES = 2_000


def format_of(notice: Notice) -> str:
    """The name of the system whose mark the notice bears in its From, its Subject or its first words, or `notice`."""
    by_sender, by_subject = notice.sender_says.format(_WORDS_BYTES), notice.subject_says.format(_WORDS_BYTES)
    return _NAMES[min(by_sender, by_subject, notice.words_say.format(_WORDS_BYTES))]
