"""The secret keys are made once and never silently replaced."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nullsender.errors import Misconfigured
from nullsender.secret_keys import load_or_make


def test_keys_are_made_once_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "data" / "secret-keys.json"

    made = load_or_make(file)

    assert load_or_make(file) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_processes_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "secret-keys.json"

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_or_make(file), range(8)))

    assert len({k.address_key for k in keys}) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"not json",
        b'{"address_key": "zz", "signing_keys": {}}',
        b'{"address_key": "00", "signing_keys": {"a": "00"}}',
        b'{"address_key": "' + b"00" * 32 + b'", "signing_keys": {}}',
    ],
)
def test_a_broken_file_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret-keys.json"
    file.write_bytes(content)

    with pytest.raises(Misconfigured, match=r"secret-keys\.json"):
        load_or_make(file)

    assert file.read_bytes() == content
