"""All texts that a rulebook asks for, of rules and of signs, compiled into one automaton."""

from collections.abc import Iterator

from classifiers.conditions import SignNumbers
from classifiers.rulebook import Rulebook
from classifiers.texts import CannotCompile, Texts
from nullsender.errors import Misconfigured


def compiled(book: Rulebook) -> Texts:
    """The texts of all rules and signs; `Misconfigured` says which rule has one that can not be compiled."""
    try:
        return Texts(_all_texts(book), _own_texts(book))
    except CannotCompile as error:
        rule = next((rule for rule in book.rules if error.text in rule.texts + rule.unless), None)
        where = book.where(rule) if rule else "the phases and providers" if error.text else "the rules together"
        raise Misconfigured(f"{where}: {error}") from error


def _all_texts(book: Rulebook) -> Iterator[str]:
    for rule in book.rules:
        yield from rule.texts
        yield from rule.unless
    yield from SignNumbers.texts(book.signs)


def _own_texts(book: Rulebook) -> set[str]:
    return {text for rule in book.rules if rule.name in book.own for text in rule.texts + rule.unless}
