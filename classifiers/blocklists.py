"""Which block list a refusal names, and which IP address of ours: what an operator needs to get off that list.

Only refusals for a list or a bad name are looked at. A list is known by what stands in its replies and in the pages that they
link; one that is not known here is called by its DNS zone or by the host of its page, where the reply tells it.
"""

import re
from collections.abc import Iterator, Mapping, Set
from ipaddress import IPv6Address
from itertools import islice
from typing import NamedTuple

from classifiers.outcome import Category
from nullsender.limits import LISTED_ADDRESSES_TRIED_MAX
from nullsender.matching import Patterns

#: The categories of which a reply may name a list.
NAMING_CATEGORIES = frozenset({Category.BLOCKLISTED, Category.BAD_REPUTATION})

#: What stands in a reply, in lower case, for each list. The first that fits names it, so parts of a house stand before the
#: house, and public lists before those that a provider keeps for itself.
BLOCKLISTS: Mapping[str, tuple[str, ...]] = {
    "Spamhaus ZEN": ("zen.spamhaus", "spamhaus zen", "spamhaus-zen", "sbl-xbl.spamhaus"),
    "Spamhaus DBL": ("dbl.spamhaus", "spamhaus dbl", "spamhaus.org/dbl"),
    "Spamhaus CSS": ("css.spamhaus", "spamhaus css", "spamhaus.org/css"),
    "Spamhaus PBL": ("pbl.spamhaus", "spamhaus pbl", "spamhaus.org/pbl", "in the pbl"),
    "Spamhaus XBL": ("xbl.spamhaus", "spamhaus xbl", "spamhaus.org/xbl", "abuseat.org"),
    "Spamhaus SBL": ("sbl.spamhaus", "spamhaus sbl", "spamhaus.org/sbl"),
    "Spamhaus": ("spamhaus",),
    "SpamCop": ("spamcop",),
    "Barracuda": ("barracudacentral", "barracuda reputation", "barracudanetworks.com/reputation", "bbl.barracuda"),
    "SORBS": ("sorbs",),
    "Backscatterer": ("backscatterer",),
    "UCEPROTECT": ("uceprotect",),
    "Invaluement": ("invaluement", "ivmsip", "ivmuri"),
    "PSBL": ("psbl",),
    "Mailspike": ("mailspike",),
    "Abusix": ("abusix",),
    "Hostkarma": ("hostkarma", "junkemailfilter"),
    "SpamRATS": ("spamrats",),
    "NiX Spam": ("nixspam", "dnsbl.manitu"),
    "GBUdb": ("gbudb",),
    "SPFBL": ("spfbl",),
    "DroneBL": ("dronebl",),
    "blocklist.de": ("blocklist.de",),
    "SURBL": ("surbl",),
    "URIBL": ("uribl",),
    "LashBack": ("lashback",),
    "Sender Score": ("senderscore", "returnpath", "return path"),
    "Cloudmark CSI": ("cloudmark",),
    "Trend Micro ERS": ("trendmicro", "trend micro", "mail-abuse.", "rbl-plus"),
    "Cisco Talos": ("senderbase", "talosintelligence", "poor reputation. "),
    "Proofpoint": ("proofpoint", "pphosted"),
    "Symantec": ("sms.symantec", "messagelabs"),
    "McAfee": ("trustedsource", "mcafee"),
    "FortiGuard": ("fortiguard", "fortinet"),
    "Mimecast": ("mimecast",),
    "Sophos": ("sophos",),
    "Microsoft": (
        "(s3140)", "(s3150)", "(s775)", "(s843)", "banned sending ip", "weren't sent", "sender.office.com", "outlook.com",
        "postmaster.live.com", "rate limited due to ip reputation",
    ),
    "Google": ("gsmtp", "gmail has detected", "support.google.com"),
    "Yahoo": ("[bl", "[ts", "yahooinc.com", "postmaster.yahoo", "yahoodns"),
    "AOL": ("postmaster.aol.com", "(rtr:", "(hvu:", "(rly:", "(dny:", "(dyn:"),
    "Apple": ("support.apple.com", "icloud.com"),
    "T-Online": ("t-online.de", "tosa@"),
    "GMX and WEB.DE": ("postmaster.gmx", "postmaster.web.de", "postmaster.1und1", "nemesis"),
    "Orange and La Poste": ("ofr0", "ofr_", "lpn0", "lpn_", "orange.fr", "laposte.net"),
    "AT&T": ("abuse-att.net", "att.net"),
    "Comcast": ("comcast.net",),
    "Cox": ("aup#cx", "aup#cd", "aup#ipbl", "cox.net"),
    "Spectrum": ("aup#",),
    "GoDaddy": ("secureserver.net", "godaddy"),
    "Tencent": ("mail.qq.com", "weixin.qq.com"),
    "NetEase": ("mail.163.com", "mail.126.com"),
    "Mail.ru": ("mail.ru",),
}  # fmt: skip

#: What the metric calls a refusal whose list is not among them, or not told at all.
OTHER_LIST = "other"

_NAMES = tuple(BLOCKLISTS)
_SIGNS = [(sign, number) for number, signs in enumerate(BLOCKLISTS.values()) for sign in signs]
_SIGNS_AT_ONCE = Patterns([sign for sign, _ in _SIGNS], [number for _, number in _SIGNS], literal=True)

_NAME = r"((?:[a-z0-9_-]{1,63}\.){1,8}[a-z]{2,24})\b"
_ZONE = re.compile(rf"\b(?:using|(?:blocked|rejected|listed|blacklisted) (?:by|at|on|in)|found (?:in|on)) (?:the )?{_NAME}")
_PAGE = re.compile(rf"https?://{_NAME}[^\s]{{0,80}}?(?:ip=|/ip/|rbl|dnsbl|lookup|query|check|remov|delist|block)")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?:(?<=ipv6:)|(?<![\w:.]))(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])")
_COLONS_OF_IPV6_MIN = 2
# The words before an address of ours, and those that only look so. What looks like one behind a dash is a version.
_BEFORE_OURS = ("client", "host", " ip", "address", "from", "mail server", "sender", "listed", "blocked", "?ip", "&ip", "ipv6")
_BEFORE_ANOTHER = ("remote host", "remote mail server")
_OPENINGS = " \t[(<:=\"'"
_BEFORE_A_VERSION = "- "
# Where the reply of the other server begins; before it MTAs tell that server's own address. A reply without a code begins
# behind that address, where it is told in the form in which Postfix and Exim tell it.
_REPLY_BEGINS = re.compile(r"(?:(?<![^\s:\"'(>])[245]\d\d)(?=[ \-:#])")
_SERVER_TOLD = re.compile(r"(?:^|[:;]) ?host [\w.-]{1,255} ?[\[(][\d.:a-f]{2,45}[\])]")


class Listing(NamedTuple):
    """What a refusal names: a list, by the name in `BLOCKLISTS` or by its own, and an IP address."""

    blocklist: str | None
    ip: str | None


def listing_in(text: str, server: str | None = None) -> Listing:
    """The list and the address that the reply `text` names; takes time in proportion to its length.

    `server` is the host that gave the reply, where the report tells it: what stands of that one is not ours.
    """
    words = text.lower()
    begins = _reply_begins(words)
    said = words[begins:]
    return Listing(_known(said) or _unknown(said), _our_address(said, _servers_own(words[:begins], server)))


def label_of(blocklist: str | None) -> str:
    """The value of the metric's label: one of a bounded set, whatever the replies of strangers name."""
    return blocklist if blocklist is not None and blocklist in BLOCKLISTS else OTHER_LIST


def _known(said: str) -> str | None:
    found = _SIGNS_AT_ONCE.first_ends(said.encode("utf-8", "replace"))
    return _NAMES[min(found)] if found else None


def _unknown(said: str) -> str | None:
    match = _ZONE.search(said) or _PAGE.search(said)
    return match.group(1) if match else None


def _reply_begins(words: str) -> int:
    if code := _REPLY_BEGINS.search(words):
        return code.start()
    told = _SERVER_TOLD.search(words)
    return told.end() if told else 0


def _servers_own(head: str, server: str | None) -> set[str]:
    """The addresses of the other server: those told before its reply, and that of `server`.

    Some MTAs write both ends of the connection into the name of the server, and nobody can tell then which is which.
    """
    of_server = {address for _, address in _addresses(server.lower())} if server else set()
    return {address for _, address in _addresses(head)} | (of_server if len(of_server) == 1 else set())


def _our_address(said: str, servers_own: Set[str]) -> str | None:
    """The first address that the words before it call ours, else the only one: no address is better than another's."""
    others = set()
    for start, address in _addresses(said):
        if address in servers_own:
            continue
        before = said[max(0, start - 20) : start].rstrip(_OPENINGS)
        if before.endswith(_BEFORE_OURS) and not before.endswith(_BEFORE_ANOTHER):
            return address
        if not said.endswith(_BEFORE_A_VERSION, 0, start):
            others.add(address)
    return others.pop() if len(others) == 1 else None


def _addresses(said: str) -> Iterator[tuple[int, str]]:
    """The IP addresses with their places, in the form of RFC 5952; not 127.0.0.2 and its like, with which a list answers."""
    for match in islice(_IPV4.finditer(said), LISTED_ADDRESSES_TRIED_MAX):
        if _is_ipv4(match.group()):
            yield match.start(), match.group()
    if said.count(":") < _COLONS_OF_IPV6_MIN:
        return
    for match in islice(_IPV6.finditer(said), LISTED_ADDRESSES_TRIED_MAX):
        if (address := _ipv6(match.group())) is not None:
            yield match.start(), address


def _is_ipv4(text: str) -> bool:
    """Whether the four numbers are an address (`ipaddress` takes ten times as long, and most replies name several)."""
    numbers = text.split(".")
    return numbers[0] not in ("0", "127") and all(int(number) <= 255 and str(int(number)) == number for number in numbers)


def _ipv6(text: str) -> str | None:
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return None if address.is_loopback or address.is_unspecified else str(address)
