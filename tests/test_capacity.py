"""What one MX lets in, all together and from each client."""

import pytest

from ingest.mx.capacity import Connections, HeldBytes, UnreadableMail
from ingest.mx.replies import Reply
from nullsender.clock import FakeClock


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),  # one network of 64 bits
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_connections_are_counted_by_client(first: str, second: str, same: bool) -> None:
    connections = Connections(per_address_max=1)

    assert connections.admit(first) is None
    assert connections.admit(second) is (Reply.TOO_MANY_FROM_YOU if same else None)
    connections.release(first)
    assert connections.admit(first) is None


def test_there_is_a_total_for_all_clients_and_who_was_refused_does_not_count() -> None:
    connections = Connections(total_max=2)

    assert [connections.admit(f"192.0.2.{number}") for number in range(4)] == [None, None] + [Reply.TOO_MANY_CONNECTIONS] * 2
    connections.release("192.0.2.0")
    assert connections.admit("192.0.2.9") is None
    assert connections.total == 2


def test_bytes_are_held_up_to_the_limit_and_a_refused_change_changes_nothing() -> None:
    held = HeldBytes(total_max=10, per_client_max=10)

    assert held.change("192.0.2.1", 10)
    assert not held.change("192.0.2.2", 1)
    assert held.change("192.0.2.1", -4)
    assert held.change("192.0.2.2", 4)
    assert held.total == 10


def test_one_client_holds_no_more_than_its_share_and_gets_it_back() -> None:
    held = HeldBytes(total_max=10, per_client_max=4)

    assert held.change("2001:db8::1", 4)
    assert not held.change("2001:db8::2", 1)  # the same client
    assert held.change("192.0.2.1", 4)
    assert held.change("2001:db8::1", -4)
    assert held.change("2001:db8::2", 4)
    assert held.total == 8


def test_a_client_leaves_so_many_unreadable_messages_and_bytes_an_hour_and_others_theirs() -> None:
    clock = FakeClock()
    unreadable = UnreadableMail(clock=clock, messages_max=2, bytes_max=10)

    assert [unreadable.admit("2001:db8::1", 1), unreadable.admit("2001:db8::2", 1)] == [True, True]
    assert not unreadable.admit("2001:db8::3", 1)
    assert [unreadable.admit("192.0.2.1", 9), unreadable.admit("192.0.2.1", 2)] == [True, False]
    assert unreadable.admit("192.0.2.2", 11)  # one is taken however large it is
    clock.advance(seconds=3_599)
    assert not unreadable.admit("2001:db8::1", 1)
    clock.advance(seconds=1)
    assert unreadable.admit("2001:db8::1", 1)


def test_more_clients_than_can_be_counted_are_asked_to_come_later() -> None:
    unreadable = UnreadableMail(clock=FakeClock(), clients_max=2)

    assert [unreadable.admit(f"192.0.2.{number}", 1) for number in (1, 2, 3, 1)] == [True, True, False, True]
