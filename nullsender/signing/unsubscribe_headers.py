"""The two fields that let mail be unsubscribed from with one click: RFC 2369 3.2 and RFC 8058 3.1."""

from collections.abc import Mapping

ONE_CLICK_PATH = "/u/"


def link_of(url: str, token: str) -> str:
    """The link of a token; `url` is where our API is reached from outside, with or without a path and a slash at its end."""
    return url.rstrip("/") + ONE_CLICK_PATH + token


def headers_of(url: str, mailto: str | None, token: str) -> Mapping[str, str]:
    """The fields for a mail with this token: one HTTPS link, and behind it an address for those who have no such button.

    The address gets the token as the subject, which has room for every recipient.
    """
    links = [f"<{link_of(url, token)}>", *([f"<mailto:{mailto}?subject={token}>"] if mailto else [])]
    return {"List-Unsubscribe": ", ".join(links), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
