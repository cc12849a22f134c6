"""Which language somebody reads, by what their browser says (RFC 9110 12.5.4; RFC 4647 3.4: lookup)."""

import re
from collections.abc import Sequence

from nullsender.limits import UNSUBSCRIBE_LANGUAGES_MAX

# RFC 4647 2.1 language-range, RFC 9110 12.4.2 weight.
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)((?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?", re.ASCII)


def language_for(accepted: str, spoken: Sequence[str]) -> str:
    """The one of `spoken` (their primary subtags, the first is the default) that suits an Accept-Language field best.

    A range that can not be read counts for nothing, and so does the field where nothing suits: everybody gets an answer.
    """
    weights: dict[str, float] = {}
    for text in accepted.split(",")[:UNSUBSCRIBE_LANGUAGES_MAX]:
        found = _RANGE.fullmatch(text)
        if found is not None:
            primary = found[1].lower()
            weights[primary] = max(weights.get(primary, 0.0), min(float(found[3] or 1), 1.0))
    others = weights.get("*", 0.0)
    suits = {language: weights.get(language, others) for language in spoken}
    named = [language for language in weights if suits.get(language, 0.0) > 0.0]
    ranked = [*named, *(language for language in spoken if suits[language] > 0.0)]
    return max(ranked, key=lambda language: suits[language], default=spoken[0])
