"""The shapes of other systems' rows: by which fields one is known, and what it says.

A shape's name is what `--format` takes. Fields are named as `field_name` has them. Several systems write the same rows as CSV
and as JSON, so a shape does not care which it is.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from nullsender.errors import Invalid
from nullsender.limits import IMPORT_GROUPS_MAX, IMPORT_WORDS_CHARACTERS_MAX, NAME_LENGTH_MAX
from suppression.imports.row import Said
from suppression.imports.times import time_of
from suppression.imports.words import WORDS, cause_for
from suppression.policy import EVERYWHERE, LIST_PREFIX, NOT_TRANSACTIONAL, Cause

Fields: TypeAlias = Mapping[str, Any]
Reader: TypeAlias = Callable[[Fields], Iterable[Said]]

_NO_NAME = re.compile(r"[^a-z0-9_.-]+")
#: Where a list of no known system has its addresses.
ADDRESS_FIELDS: Final = (
    "email", "address", "email_address", "emailaddress", "e_mail", "mail", "recipient", "rcpt", "subscriber",
    "md5", "sha256", "hash", "email_md5", "email_sha256",
)  # fmt: skip

_SINCE_FIELDS: Final = ("since", "created_at", "created", "date", "added", "timestamp")


class Shape(NamedTuple):
    """How the rows of one list look. All of `fields` are there; other lists have them too where it is not `telling`."""

    name: str
    fields: frozenset[str]
    address: str  # the field where it stands
    read: Reader
    telling: bool = True


def field_name(text: str) -> str:
    """The name of a column or key, without what people and systems vary."""
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def list_scope(name: str) -> str:
    """The scope of a mailing list that another system calls so. `Invalid` where no name can be made of it."""
    plain = _NO_NAME.sub("-", name.strip().lower()).strip("-")[:NAME_LENGTH_MAX]
    if not plain:
        raise Invalid(f"the list {name[:60]!r} has no letter or digit that a list's name can have")
    return LIST_PREFIX + plain


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _simple(system: str, word: str, since: str = "created", scope: str | None = None) -> Reader:
    """Rows that all say the same."""
    words = f"{system}: {word}"

    def read(fields: Fields) -> Iterable[Said]:
        return (Said(words, cause_for(system, word), scope, time_of(fields.get(since))),)

    return read


def _by_word(system: str, field: str, since: str, expires: str = "") -> Reader:
    """Rows that say why in one field."""

    def read(fields: Fields) -> Iterable[Said]:
        word = _text(fields, field)
        words, cause = f"{system}: {word.strip().lower()}", cause_for(system, word)
        return (Said(words, cause, None, time_of(fields.get(since)), time_of(fields.get(expires))),)

    return read


def _mailgun_bounce(fields: Fields) -> Iterable[Said]:
    word = "bounce 4xx" if _text(fields, "code").startswith("4") else "bounce"
    return (Said(f"mailgun: {word}", cause_for("mailgun", word), None, time_of(fields.get("created_at"))),)


def _mailgun_unsubscribe(fields: Fields) -> Iterator[Said]:
    """One for each tag; `*`, or none, is all mail."""
    since, cause = time_of(fields.get("created_at")), cause_for("mailgun", "unsubscribe")
    tags = _tags(fields.get("tags", fields.get("tag")))
    for tag in ["*"] if not tags or "*" in tags else tags[:IMPORT_GROUPS_MAX]:
        yield Said("mailgun: unsubscribe", cause, EVERYWHERE if tag == "*" else list_scope(tag), since)


def _tags(value: object) -> list[str]:
    """Out of a JSON list, the text of one, or names with commas between them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Invalid("its tags are no list") from None
    if isinstance(value, list):
        return [tag for tag in value if isinstance(tag, str) and tag.strip()]
    return [tag for tag in str(value or "").split(",") if tag.strip()]


def _sendgrid_group(fields: Fields) -> Iterable[Said]:
    group = _text(fields, "group_name") or _text(fields, "group_id")
    since = time_of(fields.get("created_at", fields.get("created")))
    return (Said("sendgrid: group unsubscribe", cause_for("sendgrid", "group unsubscribe"), list_scope(group), since),)


def _sparkpost(fields: Fields) -> Iterable[Said]:
    word = _text(fields, "source").strip().lower()  # what was uploaded there by hand, and comes from its file, has none
    cause = cause_for("sparkpost", word) if word else None
    since = time_of(fields.get("updated") or fields.get("created"))
    of_list = _text(fields, "list_id") if cause is Cause.UNSUBSCRIBE else ""
    type_ = _text(fields, "type").strip().lower()
    stops_transactional = type_ == "transactional" or _is_true(fields.get("transactional"))
    stops_others = type_ == "non_transactional" or _is_true(fields.get("non_transactional")) or not stops_transactional
    said = Said(f"sparkpost: {word or 'no source'}", cause, None, since)
    if of_list:
        return (said._replace(scope=list_scope(of_list)),)
    if not stops_others:
        return (said._replace(is_transactional=True),)
    return (said._replace(scope=EVERYWHERE if stops_transactional else NOT_TRANSACTIONAL),)


def _is_true(value: object) -> bool:
    return str(value).strip().lower() in {"true", "1", "yes"}


def _postmark(fields: Fields) -> Iterable[Said]:
    word = _text(fields, "suppressionreason").strip().lower()
    if word == "manualsuppression":
        word = f"{word} {_text(fields, 'origin').strip().lower()}".strip()
    return (Said(f"postmark: {word}", cause_for("postmark", word), None, time_of(fields.get("createdat"))),)


def _powermta(fields: Fields) -> Iterable[Said]:
    is_bounce = _text(fields, "type").strip().lower() in {"b", "rb"}
    word = _text(fields, "bouncecat") if is_bounce else "not a bounce"
    return (Said(f"powermta: {word}", cause_for("powermta", word), None, time_of(fields.get("timelogged"))),)


def _listmonk(fields: Fields) -> Iterator[Said]:
    """A subscriber: stopped everywhere, or on the lists that it has left."""
    status, since = _text(fields, "status").strip().lower(), time_of(fields.get("updated_at"))
    lists = fields.get("lists")
    left = [it for it in lists if _left(it)] if isinstance(lists, list) else []
    if status == "enabled" and left:
        for one in left[:IMPORT_GROUPS_MAX]:
            cause, scope = cause_for("listmonk", "unsubscribed"), list_scope(_text(one, "name"))
            yield Said("listmonk: unsubscribed", cause, scope, time_of(one.get("subscription_updated_at")) or since)
        return
    yield Said(f"listmonk: {status}", cause_for("listmonk", status), EVERYWHERE, since)


def _left(subscription: object) -> bool:
    return isinstance(subscription, dict) and subscription.get("subscription_status") == "unsubscribed"


def _listmonk_bounce(fields: Fields) -> Iterable[Said]:
    word = f"bounce {_text(fields, 'type').strip().lower()}"
    return (Said(f"listmonk: {word}", cause_for("listmonk", word), None, time_of(fields.get("created_at"))),)


def _mautic(fields: Fields) -> Iterable[Said]:
    channel = _text(fields, "channel").strip().lower()
    word = _text(fields, "reason") if channel in {"email", ""} else "not email"
    return (Said(f"mautic: {word}", cause_for("mautic", word), None, time_of(fields.get("date_added"))),)


def _ours(fields: Fields) -> Iterable[Said]:
    """A row of our own exports. What has ended stops nobody there, and what is provisional ends by itself."""
    for field, word in (("ended", "ended"), ("provisional", "provisional")):
        if _text(fields, field) not in {"", "false", "False"}:
            cause_for("nullsender", word)
    tenant = _text(fields, "tenant") or None
    return [said._replace(tenant=tenant) for said in _plainly(fields)]


def _plainly(fields: Fields) -> Iterable[Said]:
    """A row of a list that names its columns as we do, as far as it does. What it does not have is left open."""
    word, status = _text(fields, "cause"), _text(fields, "status").strip().lower()
    cause = cause_for("plain", word) if word else None
    if cause is None and (why_not := WORDS["plain"].get(status)) is not None and not isinstance(why_not, Cause):
        raise Invalid(why_not)
    since = next((fields[name] for name in _SINCE_FIELDS if fields.get(name)), None)
    scope = _text(fields, "scope").strip() or None
    return (Said(_reason(_text(fields, "reason")), cause, scope, time_of(since), time_of(fields.get("expires"))),)


def _reason(text: str) -> str:
    """What somebody wrote about a row, where it can stand in a history that outlives an address."""
    return "" if "@" in text else text.strip()[:IMPORT_WORDS_CHARACTERS_MAX]


def _shape(name: str, fields: str, read: Reader, *, telling: bool = True) -> Shape:
    """Of the names of its fields, the address's first."""
    names = fields.split()
    return Shape(name, frozenset(names), names[0], read, telling)


_SPARKPOST = ("type", "source", "transactional", "non_transactional", "list_id")

SHAPES: Final = (
    _shape("ses", "emailaddress reason", _by_word("ses", "reason", "lastupdatetime")),
    _shape("sendgrid-bounces", "email created reason status", _simple("sendgrid", "bounce")),
    _shape("sendgrid-blocks", "email created reason status", _simple("sendgrid", "block")),
    _shape("sendgrid-invalid-emails", "email created reason", _simple("sendgrid", "invalid email")),
    _shape("sendgrid-spam-reports", "email created ip", _simple("sendgrid", "spam report")),
    _shape("sendgrid-group-unsubscribes", "email group_id", _sendgrid_group),
    _shape("sendgrid-group-unsubscribes", "email group_name", _sendgrid_group),
    _shape("sendgrid-unsubscribes", "email created", _simple("sendgrid", "unsubscribe", scope=EVERYWHERE), telling=False),
    _shape("mailgun-bounces", "address code error", _mailgun_bounce),
    _shape("mailgun-unsubscribes", "address tags", _mailgun_unsubscribe),
    _shape("mailgun-unsubscribes", "address tag", _mailgun_unsubscribe),
    _shape("mailgun-complaints", "address created_at", _simple("mailgun", "complaint", "created_at"), telling=False),
    _shape("mailgun-allowlist", "value type reason createdat", _simple("mailgun", "allowlist")),
    _shape("mailgun-allowlist", "address domain", _simple("mailgun", "allowlist"), telling=False),
    *(_shape("sparkpost", f"recipient {field}", _sparkpost) for field in _SPARKPOST),
    _shape("postmark", "emailaddress suppressionreason", _postmark),
    _shape("mandrill", "email reason detail last_event_at", _by_word("mandrill", "reason", "created_at", "expires_at")),
    _shape("mandrill-allowlist", "email detail created_at", _simple("mandrill", "allowlist"), telling=False),
    _shape("powermta", "rcpt type bouncecat", _powermta),
    _shape("postal", "address reason keep_until", _by_word("postal", "reason", "timestamp", "keep_until")),
    _shape("listmonk", "email uuid status", _listmonk),
    _shape("listmonk-bounces", "email type subscriber_uuid", _listmonk_bounce),
    _shape("mautic", "email reason channel", _mautic),
    _shape("nullsender", "address known_as cause scope", _ours),
)

#: What `--format` takes. A plain list has addresses or hashes, one a line or in a column, and says little else.
PLAIN: Final = "plain"
OURS: Final = "nullsender"
FORMATS: Final = tuple(dict.fromkeys((*(shape.name for shape in SHAPES), PLAIN)))


def plain_shape(address_field: str) -> Shape:
    """Of a list of no known system that has its addresses there."""
    return Shape(PLAIN, frozenset({address_field}), address_field, _plainly)
