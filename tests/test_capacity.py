"""What one MX lets in at once."""

import pytest

from ingest.mx.capacity import Connections, HeldBytes
from ingest.mx.replies import Reply


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
    held = HeldBytes(bytes_max=10)

    assert held.change(10)
    assert not held.change(1)
    assert held.change(-4)
    assert held.change(4)
    assert held.total == 10
