"""What deciding one SMTP reply takes: with our rules, step by step, and with ten to five thousand.

    .venv/bin/python -m bench.rules [--rounds 40] [--rules 10 100 200 1000 5000]

The replies are the examples of our rules and the labelled ones of the tests, each of them once a round, so nothing is decided
twice in a row. Of each the fastest round counts, and of all the median; on a shared machine the rest is the neighbours. More
rules than ours are made of words of the same replies, put together at random: texts that begin to match everywhere.
The first two hundred are ours: what ten cost less than those is what they do not find.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from classifiers.outcome import Category
from classifiers.reply import read_reply
from classifiers.rulebook import Example, Rule, Rulebook, read_rulebook
from classifiers.rules import Rules
from classifiers.texts import Texts

REPLIES = Path(__file__).parent.parent / "fixtures" / "replies"
AIM_US = 5.0
WORDS_OF_A_TEXT = 3

#: Decides or does a part of it.
Step = Callable[[str], object]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--rules", type=int, nargs="+", default=[10, 100, 200, 1_000, 5_000])
    arguments = parser.parse_args()
    book = read_rulebook()
    replies = sorted(set(_replies(book)))
    print(f"{len(replies)} replies, {statistics.median(map(len, replies)):.0f} characters in the middle; µs a reply\n")
    show_steps(book, replies, arguments.rounds)
    print()
    show_sizes(book, replies, arguments.rules, arguments.rounds)


def show_steps(book: Rulebook, replies: Sequence[str], rounds: int) -> None:
    """Where the time of a decision goes."""
    rules = Rules(book)
    texts = Texts(text for rule in book.rules for text in (*rule.texts, *rule.unless))
    folded = {reply: read_reply(reply).folded for reply in replies}
    took = measured(
        {
            "decided": rules.decide_reply,
            "of that: taken apart": read_reply,
            "of that: searched for all texts": lambda reply: texts.scan(folded[reply]),
        },
        replies,
        rounds,
    )
    print(f"| with our {len(book.rules)} rules (aim: {AIM_US:.0f}) | median | of ten the slowest |\n| --- | --- | --- |")
    for name, each in took.items():
        print(f"| {name} | {statistics.median(each):.1f} | {statistics.quantiles(each, n=10)[-1]:.1f} |")


def show_sizes(book: Rulebook, replies: Sequence[str], sizes: Sequence[int], rounds: int) -> None:
    """What more rules cost."""
    rules = {size: Rules(replace(book, rules=tuple(islice(_many(book, replies), size)))) for size in sizes}
    took = measured({str(size): one.decide_reply for size, one in rules.items()}, replies, rounds)
    medians = {size: statistics.median(took[str(size)]) for size in sizes}
    print("| rules | median | times the first |\n| --- | --- | --- |")
    for size, median in medians.items():
        print(f"| {size:,} | {median:.1f} | {median / medians[sizes[0]]:.2f} |")


def measured(steps: dict[str, Step], replies: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """For each step the microseconds of each reply, its fastest round; the steps take turns."""
    fastest = {name: [float("inf")] * len(replies) for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            fastest[name] = list(map(min, fastest[name], map(partial(_microseconds, step), replies)))
    clock = statistics.median(_microseconds(len, reply) for reply in replies)  # reading it takes its time too
    return {name: [each - clock for each in took] for name, took in fastest.items()}


def _microseconds(step: Step, reply: str) -> float:
    began = time.perf_counter_ns()
    step(reply)
    return (time.perf_counter_ns() - began) / 1_000


def _replies(book: Rulebook) -> Iterator[str]:
    for rule in book.rules:
        for example in rule.examples:
            yield (example.text or "") if isinstance(example, Example) else example
    for file in sorted(REPLIES.glob("*.jsonl")):
        yield from (json.loads(line)["text"] for line in file.read_text().splitlines())


def _many(book: Rulebook, replies: Sequence[str]) -> Iterator[Rule]:
    """Our rules, their examples unproved because not all of the others may be there, and then any number of made ones."""
    yield from (replace(rule, examples=()) for rule in book.rules)
    chance = random.Random(5)
    words = sorted({word for reply in replies for word in reply.lower().split() if word.isalpha() and word.isascii()})
    while True:
        text = " ".join(chance.sample(words, WORDS_OF_A_TEXT))
        yield Rule(name=f"made.{text}", category=Category.POLICY, examples=(), texts=(text,))


if __name__ == "__main__":
    main()
