"""What schemathesis lacks to ask our API: a body of JSON lines. Its command line imports this (`schemathesis.toml`)."""

import json

import schemathesis
from schemathesis import SerializationContext


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: SerializationContext, value: object) -> bytes:
    """A text as it is, anything else as one line."""
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()
