"""A small installation for the tests of the API: a real store on SQLite, and a follower that moves when it is told to."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from sqlalchemy import Engine

from api.http.app import Api, open_api
from api.http.parts import Check
from api.http.unsubscribing import UnsubscribeSettings
from api.index.follower import Follower
from api.index.reader import TableReader
from api.index.table import identity_of, table_path
from api.lookup import Answer, Lookup
from api.view import View
from nullsender.address import AddressHasher
from nullsender.clock import Clock, FakeClock
from nullsender.signing.keys import SigningKeys
from suppression.engine import open_engine
from suppression.migrate import upgrade
from suppression.policy import Cause, Did, Policy, Standing
from suppression.store.rows import Key, Person
from suppression.store.store import Store
from suppression.store.turn import Grounds, Turn

STALENESS_SECONDS_MAX = 1.0
UNSUBSCRIBING = UnsubscribeSettings(
    SigningKeys({"a": b"a secret of the tests, 32 bytes."}), "https://u.test", "unsubscribe@bounces.test"
)
HASHER = AddressHasher(b"a key that is only for tests....")


@contextmanager
def opened_store(folder: Path, clock: Clock) -> Iterator[Store]:
    """An empty store in `folder`, or the one that lies there."""
    with _opened_engine(folder) as engine:
        yield _store_on(engine, clock)


@contextmanager
def _opened_engine(folder: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{folder / 'list.sqlite'}")
    try:
        upgrade(engine)
        yield engine
    finally:
        engine.dispose()


def _store_on(engine: Engine, clock: Clock) -> Store:
    return Store(engine, hasher=HASHER, clock=clock, policy=Policy())


class World:
    """What a test needs of an installation."""

    def __init__(self, folder: Path, engine: Engine, clock: FakeClock) -> None:
        self._engine = engine
        self.store = store = _store_on(engine, clock)
        self.clock = clock
        self.exports_folder = folder / "exports"
        self.imports_folder = folder / "imports"
        self.index_folder = folder / "index"
        self.index_folder.mkdir()
        self.follower = Follower(store, self.index_folder, clock)

    def catch_up(self) -> None:
        """Let the follower do what it does until nothing is left."""
        while not self.follower.step():
            pass

    def reconnect(self) -> None:
        """Let the store's next question go over a new connection, as after a failover."""
        self._engine.dispose()

    def reader(self) -> TableReader:
        """A reader's view of the table, as another process has it."""
        return TableReader(
            table_path(self.index_folder),
            identity=identity_of(self.store.key_fingerprint),
            clock=self.clock,
            staleness_seconds_max=STALENESS_SECONDS_MAX,
        )

    def lookup(self, **options: Any) -> Lookup:
        """A lookup of its own; `options` as those of `Lookup`."""
        return Lookup(self.store, self.reader(), HASHER, clock=self.clock, **options)

    def api(
        self,
        *further_checks: Check,
        allow_unknown: Collection[View] = (),
        unsubscribing: UnsubscribeSettings = UNSUBSCRIBING,
    ) -> Api:
        """The whole API."""
        lookup = self.lookup(allow_unknown=allow_unknown)
        return open_api(
            self.store,
            lookup,
            clock=self.clock,
            unsubscribing=unsubscribing,
            exports_folder=self.exports_folder,
            imports_folder=self.imports_folder,
            further_checks=further_checks,
        )

    def suppress(self, address: str, *, scope: str = "*", cause: str = "hard", tenant: str = "default") -> None:
        """Put an address on the list."""
        self.store.add(tenant, address, scope=scope, cause=cause, reason="a test", expires=None, actor="test")

    def suppress_hash(self, address: str, *, algorithm: str, tenant: str = "default") -> None:
        """Put somebody on the list of whom only a hash was brought; she unsubscribed."""
        name = f"{algorithm}:{hashlib.new(algorithm, address.encode()).hexdigest()}"
        key = Key(Person(tenant, HASHER.hash_prehashed(name)), "*", Cause.UNSUBSCRIBE)

        def put(turn: Turn) -> None:
            turn.load([key.person])
            standing = Standing(since=turn.now, expires=None, provisional=False)
            turn.put(key, Did.ADDED, standing, Grounds(actor="test", reason="a test"))

        self.store._turn(put)

    def key(self, *scopes: str, tenant: str | None = "default", rate: int | None = None, networks: Sequence[str] = ()) -> str:
        """A new API key with these scopes, as its owner writes it."""
        return self.store.create_key("test", scopes=scopes, tenant=tenant, expires=None, rate=rate, networks=networks)[1]


@contextmanager
def opened_world(folder: Path) -> Iterator[World]:
    """A world in `folder`, on a fake clock."""
    clock = FakeClock()
    with _opened_engine(folder) as engine:
        yield World(folder, engine, clock)


def checked(lookup: Lookup, view: View, address: str) -> Answer:
    """What the store and the table say together of one canonical address."""
    answers = lookup.check_many(view, [address])
    return answers.suppressed.get(0) or Answer(address, None, known=answers.known)


class _OnPortal(httpx.BaseTransport):
    """Speaks ASGI to an application on one event loop in a thread, so that tests need not be coroutines."""

    def __init__(self, app: FastAPI, portal: BlockingPortal, host: str) -> None:
        self._transport = httpx.ASGITransport(app, client=(host, 40_000))
        self._portal = portal

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._transport.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


@contextmanager
def opened_client(api: Api, key: str | None = None, *, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """A caller of the API with this key, from this address."""
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    with (
        start_blocking_portal() as portal,
        httpx.Client(transport=_OnPortal(api.app, portal, host), base_url="http://api.test", headers=headers) as client,
    ):
        yield client


class Asked(NamedTuple):
    """One API, asked on its two ways by the owner of one key."""

    world: World
    api: Api
    client: httpx.Client
    key: str

    def quickly(self, target: str, *further_headers: tuple[bytes, bytes]) -> bytes | None:
        """What the protocol class would answer by itself."""
        return self.with_fields(target, [(b"authorization", f"Bearer {self.key}".encode()), *further_headers])

    def with_fields(self, target: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """The same for a request with these header fields."""
        quick, text = self.api.quick, target.encode()
        known = quick.known_key(headers, "127.0.0.1")
        said = None if known is None else quick.answer(known, text, len(text), self.world.clock.monotonic_seconds())
        return said if isinstance(said, bytes) else None

    def by_route(self, target: str) -> httpx.Response:
        """What the application answers."""
        return self.client.get(f"http://api.test{target}")


@contextmanager
def opened_asked(world: World, *scopes: str) -> Iterator[Asked]:
    """An API with a fresh table that has seen a key with these scopes."""
    world.catch_up()
    api, key = world.api(), world.key(*scopes)
    with opened_client(api, key) as client:
        asked = Asked(world, api, client, key)
        asked.by_route("/v1/check?address=anybody@example.com")
        yield asked
