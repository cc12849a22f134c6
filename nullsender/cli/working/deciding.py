"""The rules of today, for work that reads reports again. They are loaded when the first report asks for them."""

from functools import cached_property

from classifiers.rules import Rules
from nullsender.config import Settings
from nullsender.events import Decision, Report


class RulesOfToday:
    """Decides a report as `nullsender classify` would decide it now. `Misconfigured` where a rule of one's own is wrong."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, report: Report) -> Decision:
        """The decision."""
        return self._rules.decide(report)

    @cached_property
    def _rules(self) -> Rules:
        return Rules.load(own=self._settings.classify.rules)
