"""Whose list a question is about: what the wire names, else whom the operator ties to the sender, else what the listener says.

What the wire names stays within the listener's tenant. Only a listener that the operator tied to no view lets its callers name
any tenant's.
"""

from collections.abc import Mapping
from functools import lru_cache

from api.doors.said import Question
from api.view import DEFAULT_TENANT, View, view_of
from nullsender.errors import Invalid

_VIEWS_REMEMBERED_MAX = 1024


class Chooser:
    """How the questions of one listener find their view. `listening_for` None: the listener was given no view."""

    def __init__(self, listening_for: View | None, views_of_users: Mapping[str, str]) -> None:
        self._default = listening_for or View(DEFAULT_TENANT, None)
        self._is_bound = listening_for is not None
        self._views_of_users = views_of_users
        self._named = lru_cache(_VIEWS_REMEMBERED_MAX)(self._read)

    def view(self, question: Question) -> View:
        """The view that `question` is about; `Invalid` where what it names is none, or is another tenant's."""
        word = question.view or self._views_of_users.get(question.user, "")
        return self._named(word) if word else self._default

    def _read(self, word: str) -> View:
        view = view_of(word, tenant=self._default.tenant)
        if self._is_bound and view.tenant != self._default.tenant:
            raise Invalid(f"this door is for the tenant {self._default.tenant}, and {word!r} is another one's")
        return view
