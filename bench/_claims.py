"""What a run of the lookup bench found beside what was aimed at: one line a claim."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple


class Claim(NamedTuple):
    """A figure with what it should be. `met` None: there is no aim, it is told so that it can be watched."""

    what: str
    measured: str
    aim: str
    met: bool | None


def at_least(what: str, value: float, aim: float, form: Callable[[float], str]) -> Claim:
    """A figure that should be large."""
    return Claim(what, form(value), f"at least {form(aim)}", value >= aim)


def at_most(what: str, value: float, aim: float, form: Callable[[float], str]) -> Claim:
    """A figure that should be small."""
    return Claim(what, form(value), f"at most {form(aim)}", value <= aim)


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    print(f"\n{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


def show_claims(claims: Sequence[Claim]) -> None:
    """All claims of a run."""
    words = {True: "yes", False: "NO", None: ""}
    show("In short", ("claim", "measured", "aim", "met"), [(*claim[:3], words[claim.met]) for claim in claims])


def times(value: float) -> str:
    """A ratio."""
    return f"{value:.2f}"


def million(value: float) -> str:
    """A rate of millions."""
    return f"{value / 1e6:.2f} million/s"


def thousands(value: float) -> str:
    """A large number."""
    return f"{value:,.0f}"


def milliseconds(seconds: float) -> str:
    """A short time."""
    return f"{seconds * 1000:.2f} ms"


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; `values` need no order."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios: the two were measured side by side in each round."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))
