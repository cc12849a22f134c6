"""What the addresses of our own domains stand for.

`bounces@`, `complaints@` (`fbl@`) and `unsubscribe@`, with or without `+anything`, are role addresses; signed return paths come
on top. RFC 5321 4.5.1 wants postmaster@, RFC 2142 abuse@: their mail is read like all the rest.
"""

from nullsender.log import Topic
from nullsender.signing.return_path import is_return_path

#: Which topic the reports of a message go to that does not say itself what it is.
ROLES = {
    "bounces": Topic.BOUNCES,
    "complaints": Topic.COMPLAINTS,
    "fbl": Topic.COMPLAINTS,
    "unsubscribe": Topic.UNSUBSCRIBES,
    "postmaster": Topic.BOUNCES,
    "abuse": Topic.COMPLAINTS,
}


def role_of(address: str) -> Topic | None:
    """The topic that the local part of `address` stands for; None: it is no address of ours."""
    local_part = address.rpartition("@")[0] or address
    if is_return_path(local_part):
        return Topic.UNSUBSCRIBES if local_part.lower().startswith("unsubscribe+") else Topic.BOUNCES
    return ROLES.get(local_part.partition("+")[0].lower())
