"""The secret keys of an installation: made once, kept in one file that only its owner may read.

`address_key` hashes addresses into keys of the list and can never change while there is a list. `signing_keys` sign return
paths and tokens; the first one signs, all of them verify, so that a new one can be put in front while mail is still out.
Lose the file and the list can no longer be looked up: back it up with the list.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from nullsender.durable import sync_folder
from nullsender.errors import Misconfigured

_KEY_BYTES = 32


class SecretKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys themselves."""

    address_key: bytes
    signing_keys: dict[str, bytes]  # key id -> secret, the one that signs first


def load_or_make(file: Path) -> SecretKeys:
    """The keys in `file`; when there is no such file, new ones are made and are on disk when this returns.

    Two processes that start at once end up with the same keys. `Misconfigured` when the file can not be read or is not ours.
    """
    try:
        if not file.exists():
            _make(file)
        return _read(file)
    except OSError as error:
        raise Misconfigured(f"the secret keys in {file} can not be read or made: {error.strerror}") from error


def _make(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    keys = {"address_key": secrets.token_hex(_KEY_BYTES), "signing_keys": {"a": secrets.token_hex(_KEY_BYTES)}}
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(keys)))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(draft, file)  # fails where another process was first: then its keys are the keys
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_folder(file.parent)


def _read(file: Path) -> SecretKeys:
    try:
        stored = msgspec.json.decode(file.read_bytes(), type=_Stored)
        keys = SecretKeys(
            address_key=bytes.fromhex(stored.address_key),
            signing_keys={name: bytes.fromhex(text) for name, text in stored.signing_keys.items()},
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise Misconfigured(f"{file} does not hold our secret keys ({error}): restore it from the backup") from error
    _require_long_enough({"address_key": keys.address_key, **keys.signing_keys}, file)
    return keys


class _Stored(msgspec.Struct, frozen=True):
    address_key: str
    signing_keys: dict[str, str]


def _require_long_enough(keys: Mapping[str, bytes], file: Path) -> None:
    short = [name for name, key in keys.items() if len(key) < _KEY_BYTES]
    if short or len(keys) < 2:
        raise Misconfigured(
            f"{file}: every key has {_KEY_BYTES} bytes and there is one signing key at least ({', '.join(short)})"
        )
