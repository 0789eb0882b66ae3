"""The URLs that a request may name: https, and the receivers on a host's own machine."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

URL_MAX_CHARACTERS = 2_048


# The characters of a URL; parsers disagree on whether a backslash ends the host.
_URL_CHARACTERS = re.compile(r"[!-\[\]-~]+")


def check_https_url(url: str) -> str:
    """Refuse anything but a plain https URL.

    Raises:
        ValueError: names the rule that it breaks, but not the URL, which may hold a token.
    """
    if len(url) > URL_MAX_CHARACTERS:
        raise ValueError(f"must be a URL of at most {URL_MAX_CHARACTERS} characters")
    if not _URL_CHARACTERS.fullmatch(url):
        raise ValueError("must be an https URL; characters other than printable ASCII are percent-encoded in it")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError("must be an https URL, and its host or port is not valid") from error
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("must be an https URL")
    if "@" in parts.netloc:
        raise ValueError("must be an https URL without a user name or password")
    return url


HttpsUrl = Annotated[str, AfterValidator(check_https_url)]

# A program on the host's own machine.
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?=[:/?#]|$)")


def is_own_machine(url: str) -> bool:
    """Tell whether a URL leads to a program on this machine, over plain http."""
    return _LOOPBACK.match(url) is not None


def check_receiver_url(url: str) -> str:
    """Refuse anything but a plain https URL, or one of this machine's own, which the use case refuses elsewhere.

    Raises:
        ValueError: names the rule that it breaks, but not the URL.
    """
    check_https_url(url.replace("http", "https", 1) if is_own_machine(url) else url)
    return url


ReceiverUrl = Annotated[str, AfterValidator(check_receiver_url)]
