"""The policy file: what it may say, and that a mistake in it is refused with its line."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from nullsender.cli.policing.file import CATEGORIES, read_file
from nullsender.cli.policing.shown import transitions
from nullsender.errors import Misconfigured
from suppression.policy import Cause, Policy, PolicySettings
from suppression.policy.file import read_policy
from suppression.policy.lines import line_of
from suppression.policy.scopes import Breadth

WHOLE = """\
name = "2026-11"
complaint = "all"
transactional = ["receipts"]

[soft_limits]
mailbox-full = 3

[tenant.acme]
soft_limit = 3
soft_limits = {mailbox-unavailable = 2}

[tenant.acme.stream.news]  # marketing
soft_lifetimes = [
  "7d",
  "forever",
]
delivery_ends_soft = true
"""


def policy(text: str) -> Policy:
    """The policy that a file says."""
    return read_policy(text, PolicySettings(), file="policy.toml", categories=CATEGORIES)


def refusal(text: str) -> str:
    """What is said of a file that can not be used."""
    with pytest.raises(Misconfigured) as refused:
        policy(text)
    return str(refused.value)


def test_what_a_narrower_table_does_not_say_it_takes_from_the_wider() -> None:
    found = policy(WHOLE)
    news = found.settings_for("acme", "news")

    assert news.breadth_of(Cause.COMPLAINT) is Breadth.ALL
    assert (news.soft_limit, news.soft_limit_of("mailbox-full"), news.soft_limit_of("mailbox-unavailable")) == (3, 3, 2)
    assert [lifetime and lifetime.days for lifetime in news.soft_lifetimes] == [7, None]
    assert (news.delivery_ends_soft, found.settings_for("acme", "other").delivery_ends_soft) == (True, False)
    assert found.settings_for("other", "news").soft_limit == PolicySettings().soft_limit


def test_the_version_is_the_name_and_changes_with_whatever_the_file_says() -> None:
    version = policy(WHOLE).version

    assert version.startswith("2026-11 ")
    assert policy(WHOLE + "# a comment\n").version == version
    assert policy(WHOLE.replace('"7d"', '"8d"')).version != version


def test_mail_has_the_scopes_that_its_stream_and_list_give_it() -> None:
    found = policy(WHOLE)

    assert found.scopes_of("default") == ("*", "*-transactional")
    assert found.scopes_of("default", "news", "weekly") == ("*", "*-transactional", "news", "list:weekly")
    assert found.scopes_of("default", "receipts") == ("*", "receipts")
    assert Policy().scopes_of("default", "transactional") == ("*", "transactional")


@given(some.sampled_from(["default", "acme"]), some.sampled_from([None, "news", "receipts"]), some.sampled_from([None, "x"]))
def test_no_rule_ever_takes_the_widest_scope_from_any_mail(tenant: str, stream: str | None, mailing_list: str | None) -> None:
    assert policy(WHOLE).scopes_of(tenant, stream, mailing_list)[0] == "*"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('name = "x"\nhard = "al"\n', 2, "hard: one of all, all-but-transactional, stream, list"),
        ("hard = []\n", 1, "hard: one of"),
        ('soft_limit = "4"\n', 1, "soft_limit: a whole number from 2 to 10"),
        ("soft_limit = true\n", 1, "soft_limit: a whole number"),
        ("\n\nsoft_window_days = 0\n", 3, "from 1 to 365"),
        ('unproven = "maybe"\n', 1, "one of ignore, provisional, full"),
        ("delivery_ends_soft = 1\n", 1, "true or false"),
        ('transactional = "receipts"\n', 1, "a list of streams"),
        ('transactional = ["Receipts"]\n', 1, "a list of streams in lower case"),
        ('soft_lifetimes = ["forever", "1d"]\n', 1, "only the last may be"),
        ('soft_lifetimes = ["0d"]\n', 1, "'0d' is no lifetime"),
        ("soft_lifetimes = []\n", 1, "one or more"),
        ("soft_lifetimes = [1]\n", 1, "a list such as"),
        ("sofd_limit = 4\n", 1, "no such key here; there are complaint"),
        ("name = 5\n", 1, "a name of 1 to 40 letters"),
        ("[soft_limits]\ngreylisted = 3\n", 2, "no category of soft bounces; there are address-invalid"),
        ("[soft_limits]\nmailbox-full = 11\n", 2, "from 0 (never) to 10"),
        ("soft_limits = 5\n", 1, "a table of limits"),
        ("tenant = 5\n", 1, "such as [tenant.NAME]"),
        ("[tenant]\nacme = 5\n", 2, "such as [tenant.acme]"),
        ("[tenant.ACME]\nhard = 'all'\n", 1, "names are in lower case"),
        ("[tenant.acme.stream.news]\ntransactional = []\n", 2, "no such key here"),
        (
            '[tenant.acme]\nhard = "all"\n[tenant.acme.stream.a]\nhard = "all"\n[tenant.acme.stream.b]\nhard = "x"\n',
            6,
            "b.hard",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_what_is_allowed(text: str, line: int, says: str) -> None:
    told = refusal(text)

    assert f"line {line}: " in told
    assert says in told


def test_every_mistake_is_told_at_once_in_the_order_of_the_lines() -> None:
    told = refusal('b = 1\nhard = "x"\n[tenant.acme]\nsoft = 1\n').splitlines()

    assert [line.split(":")[0].strip() for line in told[1:]] == ["line 1", "line 2", "line 4"]


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    assert "line 2" in refusal('name = "x"\nhard = \n')


@given(some.text(max_size=60))
def test_no_text_does_worse_than_being_refused(text: str) -> None:
    with suppress(Misconfigured):
        policy(text)
    line_of(text, ("tenant", "a"))


def test_a_file_that_can_not_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'name = "x"\nhard = "\xe9"\n')

    for name, says in {"none": "No such file", "latin": "line 2 is not UTF-8", ".": "Is a directory"}.items():
        with pytest.raises(Misconfigured, match=says):
            read_file(tmp_path / name, PolicySettings())


def test_the_page_shows_the_table_and_an_example_that_can_be_used() -> None:
    page = (Path(__file__).parent.parent / "docs" / "policy.md").read_text()

    assert "\n".join(transitions()) in page
    assert policy(page.partition("```toml\n")[2].partition("```")[0]).version.startswith("2026-11 ")
