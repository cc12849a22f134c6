"""What providers write in place of a complainer's address (RFC 6590): a word, or a hash.

Nobody has such an address, and whoever took one for an address would keep an entry that stops no mail.
"""

import re

_WORD = r"(?:redacted|hashed|removed|undisclosed|unknown|anonymous|x{3,})(?:[-_][\w-]{1,40})?"
# Hexadecimal, or base64 with the sign that ends it (RFC 6590 section 3 has that of 160 bits).
_HASH = r"[0-9a-f]{32,128}|[\w+/-]{20,90}={1,2}"
_REDACTED = re.compile(rf"{_WORD}|{_HASH}", re.IGNORECASE)


def is_redacted(address: str) -> bool:
    """Whether a provider put a word or a hash in place of `address`."""
    local_part = address.rpartition("@")[0] or address
    return _REDACTED.fullmatch(local_part.strip("[]<>()* \t")) is not None
