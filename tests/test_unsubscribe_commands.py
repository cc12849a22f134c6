"""`nullsender unsubscribe-link` and `nullsender deadlines`, as an operator calls them."""

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from nullsender import config
from nullsender.cli import main, parts, store_parts
from nullsender.config import Settings
from nullsender.errors import Misconfigured
from nullsender.signing.keys import Claims, SigningKeys
from nullsender.signing.unsubscribe_link import UnsubscribeLinks
from suppression.store.audit_read import AuditFilters, StoreAudit
from suppression.store.store import Store
from tests.outcomes import an_outcome
from tests.store_contract import tell

ADA = "ada@example.com"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with a list and no log yet."""
    monkeypatch.setenv("NULLSENDER_DATA", str(tmp_path))
    monkeypatch.setenv("NULLSENDER_UNSUBSCRIBE_URL", "https://news.example.com/mail/")
    monkeypatch.setenv("NULLSENDER_UNSUBSCRIBE_JURISDICTIONS", "default=us providers, acme=au")
    return config.load()


@pytest.fixture
def store(settings: Settings) -> Store:
    return store_parts.migrate_store(settings)


def links(settings: Settings) -> UnsubscribeLinks:
    return UnsubscribeLinks(SigningKeys(parts.keys_of(settings).signing_keys))


def test_a_link_is_made_with_its_fields(settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unsubscribe-link", ADA, "--stream", "News", "--list", "weekly", "--tenant", "acme", "--message", "m7"]) == 0

    url, unsubscribe, post = capsys.readouterr().out.splitlines()
    assert url.startswith("https://news.example.com/mail/u/1.")
    assert unsubscribe.startswith(f"List-Unsubscribe: <{url}>, <mailto:unsubscribe@bounces.localhost?subject=1.")
    assert post == "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    today = parts.CLOCK.now().date()
    assert links(settings).verify(url.rpartition("/")[2], today=today) == Claims("acme", "news", ADA, today, "m7", "weekly")


def test_the_key_of_a_tenant_is_shown_when_asked_for(
    settings: Settings, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unsubscribe-link", "--show-key", "--tenant", "acme"]) == 0

    key_id, key = capsys.readouterr().out.split()
    assert (key_id, bytes.fromhex(key)) == links(settings).key_of("acme")


def test_without_a_recipient_nothing_is_made(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["unsubscribe-link"]) == 1
    assert "name the recipient" in capsys.readouterr().err


def test_the_clock_of_each_is_shown(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    now = parts.CLOCK.now()
    tell(store, an_outcome("1", "unsubscribe", at=now - timedelta(hours=1), stream="news"))

    assert main(["deadlines"]) == 0
    _, line = capsys.readouterr().out.splitlines()
    assert [word in line for word in ("providers", "none yet", "mailto", "news", ADA)] == [True] * 5
    assert main(["deadlines", "--json", "--address", ADA]) == 0
    assert json.loads(capsys.readouterr().out)["scope"] == "news"


def test_what_is_held_up_and_near_its_limit_is_told_with_what_to_do(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    now = parts.CLOCK.now()
    tell(store, an_outcome("1", "unsubscribe", at=now - timedelta(days=3), withheld="it names someone else"))
    tell(store, an_outcome("2", "unsubscribe", at=now, withheld="it names someone else"))

    assert main(["deadlines", "--at-risk"]) == 1, "one is past its limit"
    told = capsys.readouterr().out
    assert "report 1" in told
    assert "report 2" not in told
    assert "it names someone else" in told
    assert main(["deadlines", "--at-risk", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["breached"] is True


def test_one_that_nobody_meant_is_dismissed_and_raises_no_alarm(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    tell(store, an_outcome("1", "unsubscribe", at=parts.CLOCK.now() - timedelta(days=3), withheld="it names someone else"))
    assert main(["deadlines", "--at-risk"]) == 1
    number = re.search(r"deadlines dismiss ([0-9]+)", capsys.readouterr().out)
    assert number is not None

    assert main(["deadlines", "dismiss", number[1], "--reason", "forged"]) == 0
    assert main(["deadlines", "--at-risk"]) == 0
    assert main(["deadlines"]) == 0
    assert "it names someone else; dismissed 20" in capsys.readouterr().out
    assert main(["deadlines", "dismiss", number[1], "--reason", "again"]) == 1
    assert "waits" in capsys.readouterr().err
    acts = StoreAudit.beside(store).list_audit(AuditFilters(kind="unsubscribe-dismissed"), cursor=None, limit=9).items
    assert [(act.actor, act.words and act.words["reason"]) for act in acts] == [("operator", "forged")]


def test_whoever_was_brought_as_a_hash_is_shown_as_one(
    store: Store, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = hashlib.md5(ADA.encode(), usedforsecurity=False).hexdigest()
    (tmp_path / "hashes").write_text(name + "\n")
    assert main(["import", str(tmp_path / "hashes"), "--cause", "unsubscribe", "--reason", "partner"]) == 0
    capsys.readouterr()

    assert main(["deadlines", "--address", ADA]) == 0
    assert f"(a hash only: md5:{name})" in capsys.readouterr().out


def test_a_jurisdiction_that_is_none_is_told_at_the_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NULLSENDER_UNSUBSCRIBE_JURISDICTIONS", "default=mars")

    with pytest.raises(Misconfigured, match=r"unsubscribe.jurisdictions: .*mars.*there are us, ca"):
        store_parts.deadlines_of(config.load())
