"""Servers that answer as the documentation of four providers says, as far as the pages of docs/integrations ask them."""

import base64
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.client_world import Answer, Asked, Scripted

SECRET = "secret-of-the-tests"


class Wanted(NamedTuple):
    """What a page's program is to have done: the recipients that were sent to, and what `pull` put on the list."""

    recipient_of: Callable[[Asked], str]
    pulled: Mapping[str, tuple[str, str]]  # address -> cause, scope


class Provider(Scripted, ABC):
    """One provider's server. What it knows is at `x.test`; one row of each list is no address."""

    name: str
    settings: ClassVar[Mapping[str, str]]
    send_path: str
    wanted: Wanted

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def take(self, asked: Asked) -> Answer:
        """The answer to this request; 401 without the secret as this provider wants it."""
        self.asked.append(asked)
        if not self.knows(asked):
            return Answer(401, b"{}")
        path = urlsplit(asked.target).path
        if (asked.method, path) == ("POST", self.send_path):
            self.sent.append(self.wanted.recipient_of(asked))
            return self.accepted()
        if asked.method != "GET":
            return Answer(405)
        query = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
        return Answer(200, json.dumps(self.listed(path, query, asked.headers["host"])).encode())

    @abstractmethod
    def knows(self, asked: Asked) -> bool:
        """Whether the request is authenticated."""

    @abstractmethod
    def accepted(self) -> Answer:
        """The answer to a message."""

    @abstractmethod
    def listed(self, path: str, query: Mapping[str, str], host: str) -> object:
        """The answer to a question for a list."""


class Postmark(Provider):
    """postmarkapp.com/developer: email, suppressions dump."""

    name = "postmark"
    settings: ClassVar[Mapping[str, str]] = {"POSTMARK_TOKEN": SECRET}
    send_path = "/email"
    wanted = Wanted(
        lambda asked: str(json.loads(asked.body)["To"]),
        {
            "hard@postmark.test": ("hard", "*"),
            "spam@postmark.test": ("complaint", "marketing"),
            "left@postmark.test": ("unsubscribe", "marketing"),
        },
    )

    def knows(self, asked: Asked) -> bool:
        return asked.headers.get("x-postmark-server-token") == SECRET

    def accepted(self) -> Answer:
        return Answer(200, b'{"MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817", "ErrorCode": 0, "Message": "OK"}')

    def listed(self, path: str, query: Mapping[str, str], host: str) -> object:
        assert path == "/message-streams/marketing/suppressions/dump"
        reasons = {"hard": "HardBounce", "spam": "SpamComplaint", "left": "ManualSuppression", "none": "HardBounce"}
        return {
            "Suppressions": [
                {
                    "EmailAddress": f"{name}@postmark.test" if name != "none" else "no address",
                    "SuppressionReason": reason,
                    "Origin": "Recipient",
                    "CreatedAt": "2026-03-01T12:00:00-05:00",
                }
                for name, reason in reasons.items()
            ]
        }


class SendGrid(Provider):
    """twilio.com/docs/sendgrid: mail send, suppressions."""

    name = "sendgrid"
    settings: ClassVar[Mapping[str, str]] = {"SENDGRID_KEY": SECRET}
    send_path = "/v3/mail/send"
    wanted = Wanted(
        lambda asked: str(json.loads(asked.body)["personalizations"][0]["to"][0]["email"]),
        {
            "bounces@sendgrid.test": ("hard", "*"),
            "spam_reports@sendgrid.test": ("complaint", "*"),
            "unsubscribes@sendgrid.test": ("unsubscribe", "*"),
        },
    )

    def knows(self, asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Bearer {SECRET}"

    def accepted(self) -> Answer:
        return Answer(202, b"", {"X-Message-Id": "14c5d75ce93.dfd.64b469"})

    def listed(self, path: str, query: Mapping[str, str], host: str) -> object:
        name = path.removeprefix("/v3/suppression/")
        rows = [{"created": 1443651125, "email": f"{name}@sendgrid.test"}, {"created": 1443651125, "email": "no address"}]
        start = int(query["offset"])
        return rows[start : start + 1]  # a page of one


class Mailgun(Provider):
    """documentation.mailgun.com: messages, bounces, complaints, unsubscribes."""

    name = "mailgun"
    settings: ClassVar[Mapping[str, str]] = {"MAILGUN_KEY": SECRET, "MAILGUN_DOMAIN": "mg.example.com"}
    send_path = "/v3/mg.example.com/messages"
    wanted = Wanted(
        lambda asked: parse_qs(asked.body.decode())["to"][0],
        {
            "bounces@mailgun.test": ("hard", "*"),
            "complaints@mailgun.test": ("complaint", "*"),
            "unsubscribes@mailgun.test": ("unsubscribe", "marketing"),
        },
    )

    def knows(self, asked: Asked) -> bool:
        basic = base64.b64encode(f"api:{SECRET}".encode()).decode()
        return asked.headers.get("authorization") == f"Basic {basic}"

    def accepted(self) -> Answer:
        return Answer(200, b'{"id": "<20261122.1@mg.example.com>", "message": "Queued. Thank you."}')

    def listed(self, path: str, query: Mapping[str, str], host: str) -> object:
        name = path.rpartition("/")[2]
        row: dict[str, object] = {"address": f"{name}@mailgun.test", "created_at": "Sun, 01 Mar 2026 12:00:00 UTC"}
        if name == "unsubscribes":
            row["tags"] = ["marketing"]
        elif name == "bounces":
            row |= {"code": "550", "error": "5.1.1 no such user"}
        rows = [] if "page" in query else [row, {"address": "no address", "created_at": "Sun, 01 Mar 2026 12:00:00 UTC"}]
        return {"items": rows, "paging": {"next": f"http://{host}{path}?page=next"}}


class Ses(Provider):
    """docs.aws.amazon.com/ses, API v2: SendEmail, ListSuppressedDestinations."""

    name = "ses"
    settings: ClassVar[Mapping[str, str]] = {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "eu-west-1",
    }
    send_path = "/v2/email/outbound-emails"
    wanted = Wanted(
        lambda asked: str(json.loads(asked.body)["Destination"]["ToAddresses"][0]),
        {"one@ses.test": ("hard", "*"), "two@ses.test": ("hard", "*"), "three@ses.test": ("complaint", "*")},
    )

    def knows(self, asked: Asked) -> bool:
        said = asked.headers.get("authorization", "")
        return said.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") and "/eu-west-1/ses/aws4_request," in said

    def accepted(self) -> Answer:
        return Answer(200, b'{"MessageId": "0102018c-9d3f-4f3b-000000"}')

    def listed(self, path: str, query: Mapping[str, str], host: str) -> object:
        assert path == "/v2/email/suppression/addresses"
        pages: Mapping[str | None, tuple[list[str], str | None]] = {
            None: (["one@ses.test", "no address", "two@ses.test"], "more/+="),
            "more/+=": (["three@ses.test"], None),
        }
        addresses, token = pages[query.get("NextToken")]
        reason = "COMPLAINT" if token is None else "BOUNCE"
        rows = [{"EmailAddress": address, "LastUpdateTime": 1.7e9, "Reason": reason} for address in addresses]
        return {"SuppressedDestinationSummaries": rows, **({"NextToken": token} if token else {})}


PROVIDERS = (Postmark, SendGrid, Mailgun, Ses)
