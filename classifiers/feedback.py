"""What each type of feedback report is to us."""

from collections.abc import Mapping

from classifiers.outcome import Category
from nullsender.events import Result

#: RFC 5965 7.3 and RFC 6430, RFC 6591: what each feedback type is to us. One that is not known is taken for a complaint.
FEEDBACK: Mapping[str, tuple[Result, Category]] = {
    "abuse": (Result.COMPLAINT, Category.COMPLAINT),
    "fraud": (Result.COMPLAINT, Category.COMPLAINT),  # a recipient said so, so that recipient wants no more
    "virus": (Result.COMPLAINT, Category.COMPLAINT),
    "other": (Result.COMPLAINT, Category.COMPLAINT),
    "opt-out": (Result.UNSUBSCRIBE, Category.UNSUBSCRIBE),
    "opt-out-list": (Result.UNSUBSCRIBE, Category.UNSUBSCRIBE),
    "not-spam": (Result.NONE, Category.FEEDBACK_ONLY),
    "auth-failure": (Result.NONE, Category.FEEDBACK_ONLY),
    "dmarc": (Result.NONE, Category.FEEDBACK_ONLY),
}
