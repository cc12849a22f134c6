"""Tells whose server answered: by the name that the caller gives, by host names, and by the domains of addresses."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from classifiers.rulebook import Provider
from nullsender.limits import HOSTS_REMEMBERED_MAX

# Reports write "mx.example.com [192.0.2.1]" and "mx.example.com (192.0.2.1)".
_AFTER_THE_HOST = re.compile(r"[\s\[(]")


def texts_of(provider: Provider) -> tuple[str, ...]:
    """What in a reply tells that this provider gave it: its own words, and the names of its hosts."""
    return (*provider.texts, *(rf"\b{re.escape(host)}\b" for host in provider.hosts))


class Providers:
    """The providers of a rulebook by the names they go by and by the ends of their host names."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._hosts = {host: name for name, provider in providers.items() for host in provider.hosts}
        self._of_host = lru_cache(HOSTS_REMEMBERED_MAX)(self._end_of_host)
        self._names = {called: name for name, provider in providers.items() for called in (name, *provider.also_called)}

    def called(self, name: str | None) -> str | None:
        """The provider that somebody calls so, in any case; None for a name that nobody knows."""
        return self._names.get(name.lower()) if name else None

    def of_hosts(self, hosts: Iterable[str]) -> set[str]:
        """The providers to which any of these hosts and mail domains belongs."""
        return {provider for host in hosts if host and (provider := self._of_host(host)) is not None}

    def _end_of_host(self, host: str) -> str | None:
        name = _AFTER_THE_HOST.split(host.lower(), 1)[0].rstrip(".")
        while name and name not in self._hosts:
            name = name.partition(".")[2]
        return self._hosts[name] if name else None
