"""Where unsubscribe links lead: one click unsubscribes, a look does not, and nobody learns from it who gets which mail."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from api.http.unsubscribing import UnsubscribeSettings
from api.view import View
from nullsender.limits import UNSUBSCRIBE_BODY_BYTES_MAX, UNSUBSCRIBE_DAYS
from nullsender.signing.keys import Claims
from nullsender.signing.unsubscribe_link import UnsubscribeLinks
from suppression.policy import Cause
from suppression.store.unsubscribes import StoreUnsubscribes
from suppression.unsubscribes.asking import Channel
from tests.api_world import UNSUBSCRIBING, World, opened_client, opened_world

LINKS = UnsubscribeLinks(UNSUBSCRIBING.keys)
ADA = "ada@example.com"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with opened_client(world.api(), world.key("read", "links", "check")) as client:
        yield client


def link(world: World, *, days_ago: int = 0, **claims: str | None) -> str:
    """Where the link of a mail leads that was sent so long ago."""
    said = {"tenant": "default", "stream": None, "recipient": ADA, "message": "", "mailing_list": None} | claims
    sent_on = world.clock.now().date() - timedelta(days=days_ago)
    return "/u/" + LINKS.make(Claims(sent_on=sent_on, **said))  # type: ignore[arg-type]


def scopes(world: World, tenant: str = "default") -> set[str]:
    """Which of Ada's mail is stopped because she unsubscribed."""
    return {entry.scope for entry in world.store.entries_of(tenant, ADA) if entry.cause is Cause.UNSUBSCRIBE}


def evidence(world: World) -> list[tuple[Channel, str | None]]:
    """How people asked, newest first."""
    found = StoreUnsubscribes.beside(world.store).unsubscribes("default", cursor=None, limit=100)
    return [(one.channel, one.scope) for one in found.items]


@pytest.mark.parametrize("as_files", [True, False], ids=["multipart", "urlencoded"])
def test_one_click_unsubscribes_from_the_mails_list(world: World, client: httpx.Client, as_files: bool) -> None:
    path = link(world, stream="news", mailing_list="weekly.example.com")

    files = {"List-Unsubscribe": (None, "One-Click")}
    answer = client.post(path, files=files) if as_files else client.post(path, data=ONE_CLICK)

    assert answer.status_code == 200
    assert scopes(world) == {"list:weekly.example.com"}
    assert evidence(world) == [(Channel.ONE_CLICK, "list:weekly.example.com")]
