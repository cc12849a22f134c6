"""What `nullsender doctor` finds in the DNS: whether bounces find their way to this MX.

A domain's MX records name hosts, and one of them has to be ours: by its name, or by an address that `mx.hostname` has too.
Without an answer in time nothing is said to be wrong.
"""

from collections.abc import Iterator, Sequence

import dns.exception
import dns.name
import dns.resolver
import dns.reversename

from nullsender.cli.checking.findings import Check, Finding, doubt, wrong
from nullsender.config import Settings
from nullsender.limits import DNS_SECONDS_MAX

# RFC 2606 2, RFC 6761 and RFC 6762: these mean nothing outside this machine or network.
_LOCAL = ("localhost", "test", "example", "invalid", "local", "internal")

_NONE = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN)


def is_public(domain: str) -> bool:
    """Whether strangers may know the domain."""
    labels = domain.rstrip(".").split(".")
    return len(labels) > 1 and labels[-1] not in _LOCAL


def _dns(settings: Settings) -> Iterator[Finding]:
    public = [domain for domain in settings.domains if is_public(domain)]
    if not public:
        return
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        yield doubt("the DNS could not be checked: this machine knows no name server (/etc/resolv.conf)")
        return
    yield from look_up(public, settings.mx.hostname, resolver)


def look_up(domains: Sequence[str], hostname: str, resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    """What is wrong with these domains' way to the MX called `hostname`; it takes no longer than DNS_SECONDS_MAX a question."""
    resolver.lifetime = DNS_SECONDS_MAX
    try:
        yield from _host(hostname, resolver)
        for domain in domains:
            yield from _domain(domain, hostname, resolver)
    except dns.exception.DNSException as error:
        # One that does not answer now would keep us waiting again for every other domain.
        yield doubt(f"the DNS could not be checked: no answer in time ({type(error).__name__})")


def _host(hostname: str, resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    if not is_public(hostname):
        yield wrong(f"mx.hostname is {hostname}: set the name by which the world finds this MX")
        return
    addresses = _addresses(hostname, resolver)
    if not addresses:
        yield wrong(f"mx.hostname {hostname} has no address in the DNS: add an A or AAAA record, or set the right name")
    for address in sorted(addresses):
        names = _texts(dns.reversename.from_address(address), "PTR", resolver)
        if _plain(hostname) not in names:
            said = f"says {', '.join(sorted(names))}" if names else "is missing"
            yield doubt(f"the PTR record of {address} {said}: let it say {hostname}, for some MTAs ask")


def _domain(domain: str, hostname: str, resolver: dns.resolver.Resolver) -> Iterator[Finding]:
    hosts = {word.partition(" ")[2].strip() for word in _texts(dns.name.from_text(domain), "MX", resolver)}
    remedy = f"add `{domain}. MX 10 {_plain(hostname)}.`"
    if not hosts:
        yield wrong(f"{domain} has no MX record, so its bounces do not come here: {remedy}")
    elif hosts == {""}:
        yield wrong(f"the MX record of {domain} says that it takes no mail (RFC 7505): {remedy}")
    elif _plain(hostname) not in hosts:
        ours = _addresses(hostname, resolver)
        if not any(ours & _addresses(host, resolver) for host in hosts if host):
            yield wrong(f"the MX records of {domain} lead to {', '.join(sorted(hosts))} and not to {hostname}: {remedy}")


def _addresses(host: str, resolver: dns.resolver.Resolver) -> set[str]:
    name = dns.name.from_text(host)
    return _texts(name, "A", resolver) | _texts(name, "AAAA", resolver)


def _texts(name: dns.name.Name, kind: str, resolver: dns.resolver.Resolver) -> set[str]:
    """The records' texts in lower case, without the dot at the end; none where there is no such name or record."""
    try:
        return {_plain(record.to_text()) for record in resolver.resolve(name, kind)}
    except _NONE:
        return set()


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


CHECKS: dict[str, Check] = {"DNS": _dns}
