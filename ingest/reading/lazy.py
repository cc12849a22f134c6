"""A property that is found when somebody asks for it first, and kept.

What `functools.cached_property` is, without its lock (Python 3.11 takes one each time): a message is read by one thread, and
whoever asked twice at once would find the same value.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

_Value = TypeVar("_Value")


class lazy(Generic[_Value]):  # noqa: N801  (used like `property`)
    """Decorates a method without arguments; the class needs a `__dict__`."""

    def __init__(self, find: Callable[[Any], _Value]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    def __get__(self, instance: object, owner: type[object] | None = None) -> _Value:
        value = self._find(instance)
        setattr(instance, self._name, value)  # from now on the instance has it, and this is not asked any more
        return value
