"""The names of tenants and streams have one form, like addresses: whoever writes `Marketing` means the stream `marketing`.

A name stands in return paths, tokens, scopes and questions. With two forms of one name an unsubscribe would be filed under the
one and asked for under the other.
"""

import re
import unicodedata

from nullsender.errors import Invalid
from nullsender.limits import NAME_LENGTH_MAX

_NAME = re.compile(rf"[a-z0-9_.-]{{1,{NAME_LENGTH_MAX}}}")


def canonical_name(text: str) -> str:
    """The form under which a tenant or stream is known. `Invalid` where it can be no such name."""
    name = unicodedata.normalize("NFC", text).strip().lower()
    if _NAME.fullmatch(name) is None:
        raise Invalid(f"not a name: tenants, streams and lists are 1 to {NAME_LENGTH_MAX} of a-z, 0-9, '_', '-' and '.'")
    return name
