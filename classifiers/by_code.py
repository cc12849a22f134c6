"""The rules that a code alone decides, found by the code."""

from collections.abc import Iterable

from classifiers.conditions import status_keys
from classifiers.rulebook import Rule


class RulesByCode:
    """Where the rules without texts stand, by the codes that they name."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._by_status: dict[str, list[int]] = {}
        self._by_code: dict[int, list[int]] = {}
        for place, rule in enumerate(rules):
            if rule.texts:
                continue
            for status in rule.statuses:
                self._by_status.setdefault(status, []).append(place)
            for code in rule.reply_codes if not rule.statuses else ():
                self._by_code.setdefault(code, []).append(place)

    def places(self, status: str | None, reply_code: int | None) -> tuple[int, ...]:
        """The places of the rules that may hold for these codes."""
        places = {place for key in status_keys(status) for place in self._by_status.get(key, ())}
        if reply_code is not None:
            places.update(self._by_code.get(reply_code, ()))
        return tuple(sorted(places))
