"""Any bytes at all, from anyone, get an answer, in bounded time and memory, and nothing is raised (G8).

A reader that is quadratic anywhere does not finish these tests: a megabyte squared is hours. Nothing here looks at a clock but
the kernel, which ends a process after `CPU_SECONDS_MAX` of work.
"""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reading.report import Reading, read_message
from tests.bounded import HOSTILE, MEMORY_BYTES_MAX, SOURCE, Cost, decided, read_and_decide
from tests.fuzz import beginnings
from tests.hostile import FAMILIES, MEGABYTE, flood
from tests.readings import MAIL, RECEIVED_AT

FIXTURES = [path.read_bytes() for path in sorted((MAIL / "handmade").glob("*.eml"))]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_megabyte_of_one_thing_is_read(name: str) -> None:
    read_and_decide(flood(name))


def test_what_fuzzing_found_is_read() -> None:
    for path in HOSTILE.glob("*.eml"):
        read_and_decide(path.read_bytes())


def test_a_megabyte_takes_less_than_64_megabytes() -> None:
    """Nor more than a few seconds (bench/hostile.py says how many milliseconds), and neither does what fuzzing found."""
    command = [sys.executable, "-m", "tests.bounded"]
    told = subprocess.run(command, cwd=MAIL.parents[1], check=False, capture_output=True, text=True)
    costs = {name: Cost(*cost) for name, *cost in map(json.loads, told.stdout.splitlines())}

    assert told.returncode == 0, told.stderr
    assert costs.keys() >= FAMILIES.keys()
    assert not {name: cost.trouble for name, cost in costs.items() if cost.trouble}
    assert not {name: cost for name, cost in costs.items() if cost.memory_bytes > MEMORY_BYTES_MAX}


def test_what_breaks_a_bound_is_told() -> None:
    """Else the test before this one could not fail."""
    broken = {"MemoryError": "x = bytearray(2**30)", "ended by signal": "while True: pass", "LookupError": "raise LookupError"}
    code = "import tests.bounded as bounded\ndef decided(content): exec(content)\nbounded.decided = decided\n"
    code += "".join(f"print(bounded.cost_of({doing!r}).trouble.splitlines()[-1])\n" for doing in broken.values())
    told = subprocess.run([sys.executable, "-c", code], cwd=MAIL.parents[1], check=True, capture_output=True, text=True).stdout

    assert [trouble for trouble, line in zip(broken, told.splitlines(), strict=True) if trouble not in line] == []


@given(st.binary(max_size=4_000))
def test_random_bytes_get_an_answer(content: bytes) -> None:
    read_and_decide(content)


PIECES = st.sampled_from(
    [
        *(b"\n", b"\n\n", b"\r", b"\0", b"\x1b$B", b"\xff\xfe", b";", b'"', b"<", b"@", b"> ", b"&lt;", b"--b", b"--B=_1\n"),
        *(b"=?utf-8?b?YQBi?=", b"a@example.org", b"550 5.1.1 ", b"\\x{D800}", b"\\x{0}", b"\\303\\377", b"\\ud800"),
        *(b"charset=iso-2022-jp", b"(expanded from: <b@example.org>)", b"Final-Recipient: rfc822;", b"Feedback-Type: abuse\n"),
        *(
            b"Content-Transfer-Encoding: base64\n",
            b"Content-Type: message/rfc822\n\n",
            b"Content-Type: message/delivery-status\n\n",
        ),
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
    ]
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    """A fixture that was cut, glued, and strewn with what readers trip over."""
    content = draw(st.sampled_from(FIXTURES))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 60))
        insertion = draw(st.one_of(PIECES, st.binary(max_size=8)))
        content = content[:start] + insertion + content[start + length :]
    return content


@settings(max_examples=500)
@given(_mutated())
def test_a_mutilated_fixture_gets_an_answer(content: bytes) -> None:
    read_and_decide(content)


@settings(max_examples=200)
@given(st.lists(PIECES, max_size=60).map(b"".join))
def test_pieces_in_any_order_get_an_answer(content: bytes) -> None:
    read_and_decide(content)


def test_what_was_read_before_changes_nothing() -> None:
    """Readers and rules remember words that they have seen; that makes them faster, never of another opinion."""
    known = list(beginnings())
    first = [decided(content) for content in known]
    again = [decided(content) for content in reversed(known)]

    assert first == again[::-1]


def test_what_lies_behind_the_first_megabyte_is_not_read() -> None:
    """A returned mail of any size costs no more than a megabyte; the report before it is read all the same."""
    content = (MAIL / "handmade" / "dsn-failed.eml").read_bytes().replace(b"Hello.\n", b"Hello.\n" * MEGABYTE)
    reading = read_message(content, source=SOURCE, received_at=RECEIVED_AT)

    assert isinstance(reading, Reading)
    assert reading.reports[0].recipient == "anna@example.org"
    assert len(reading.returned) <= MEGABYTE
