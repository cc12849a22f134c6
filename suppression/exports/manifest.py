"""The manifest: what an export holds, as of when, what for and for whom; signed, so that anybody can check the file by it.

It is the last that is written of an export. A file without one is not complete.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nullsender.errors import Invalid
from nullsender.limits import EXPORT_READ_BYTES, MANIFEST_BYTES_MAX
from suppression.exports.columns import COLUMNS
from suppression.exports.formats import Breathe
from suppression.exports.request import ExportRequest
from suppression.exports.signing import Document

FORM = "nullsender export 1"
SUFFIX = ".manifest.json"


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the manifest knows it."""

    name: str
    bytes: int
    sha256: str  # hexadecimal digits
    rows: int  # or hashes


def facts_of(file: Path, name: str, rows: int, breathe: Breathe) -> FileFacts:
    """The facts of a file that is to be called `name`; reads it whole."""
    digest, size_bytes = hashlib.sha256(), 0
    with file.open("rb") as opened:
        while piece := opened.read(EXPORT_READ_BYTES):
            breathe()
            digest.update(piece)
            size_bytes += len(piece)
    return FileFacts(name=name, bytes=size_bytes, sha256=digest.hexdigest(), rows=rows)


def filters_of(request: ExportRequest) -> Mapping[str, Any]:
    """The filters that were set, as the API names them."""
    named = {
        "tenant": request.tenant,
        "from": request.begins,
        "to": request.ends,
        "cause": request.cause,
        "scope": request.scope,
        "stream": request.stream,
        "list": request.mailing_list,
        "domain": request.domain,
        "ended": request.ended or None,
    }
    found: Mapping[str, Any] = msgspec.to_builtins({name: value for name, value in named.items() if value is not None})
    return found


def columns_of(request: ExportRequest) -> list[Mapping[str, str]]:
    """The columns of the file and what each holds; a list of hashes has none."""
    if request.format.is_hashes:
        return []
    return [{"name": column.name, "type": column.kind.value} for column in COLUMNS[request.what]]


def written(manifest: Document) -> bytes:
    """The manifest as it stands in its file."""
    return json.dumps(manifest, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"


def read_manifest(path: Path) -> Document:
    """The manifest in a file. `Invalid` where it holds none."""
    try:
        with path.open("rb") as opened:
            text = opened.read(MANIFEST_BYTES_MAX + 1)
        manifest = json.loads(text) if len(text) <= MANIFEST_BYTES_MAX else None
    except OSError as error:
        raise Invalid(f"{path} can not be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path} is no manifest: it holds no JSON") from error
    if not isinstance(manifest, dict) or manifest.get("form") != FORM:
        raise Invalid(f"{path} is no manifest of an export")
    return manifest
