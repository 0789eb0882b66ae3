"""Find the stack that a command talks to over HTTP, and say which it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from mediaposter.cli.client import Address
from mediaposter.cli.host_address import HostAddress, read_address
from mediaposter.cli.options import STACK
from mediaposter.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from mediaposter.cli.deployed_stack import DeployedStack

URL_VARIABLE = "MEDIAPOSTER_BASE_URL"
KEY_VARIABLE = "MEDIAPOSTER_API_KEY"
NONE_FOUND = (
    "No stack was found. Start one here with mediaposter up; name one with --url and --key, or with "
    f"{URL_VARIABLE} and {KEY_VARIABLE}; or name a stack of your AWS account with --stack and --key."
)


class NoStackFound(ConfigurationError):
    """No stack was named, and none runs here: a command that can do without goes on."""


@dataclass(frozen=True)
class Place:
    """What the command line says about the stack; all may be missing."""

    url: str | None = None
    key: str | None = None
    stack: str | None = None
    endpoint_url: str | None = None
    data: Path | None = None


def find_address(
    place: Place,
    environ: Mapping[str, str],
    *,
    choose_folder: Callable[[], Path],
    open_stack: Callable[[str, str | None], AbstractContextManager[DeployedStack]],
    needs_key: bool = True,
) -> Address:
    """Find a stack: by options, then the environment, then the host that runs here, then a stack on AWS.

    Args:
        place: the options of the command.
        environ: the variables of the process.
        choose_folder: chooses the usual data folder.
        open_stack: finds a stack on AWS by its name.
        needs_key: whether a stack that is named must have a key; without, that of the address may be empty.

    Raises:
        NoStackFound: none was named, and none found.
        ConfigurationError: it lacks a key or a good address; the sentence says what to do.
    """
    host = read_address(place.data or choose_folder())
    named_key = _check_key(place.key or environ.get(KEY_VARIABLE, ""))
    if place.url:
        return Address(check_url(place.url), _find_key(place.url, named_key, host, is_needed=needs_key), "by --url")
    if place.stack:
        if needs_key and not named_key:
            raise _ask_for_key(place.stack)
        return _ask_aws(place.stack, named_key, place.endpoint_url, open_stack)
    if place.data is None and (url := environ.get(URL_VARIABLE, "").strip()):
        return Address(check_url(url), _find_key(url, named_key, host, is_needed=needs_key), f"by {URL_VARIABLE}")
    if host is not None:
        folder = place.data or choose_folder()
        # A key of the environment is another stack's: alone it says nothing about where.
        return Address(host.base_url, _check_key(place.key or host.api_key), f"the host that runs here, in {folder}")
    if place.data is not None:
        raise ConfigurationError(f"No host runs on {place.data}. Start it: mediaposter up --data {place.data}")
    if not named_key:
        raise NoStackFound(NONE_FOUND)
    with _explain_none_found():
        return _ask_aws(STACK, named_key, place.endpoint_url, open_stack)


def check_url(url: str) -> str:
    """Complete and check the base URL of an API.

    Raises:
        ConfigurationError: it is no http or https URL.
    """
    try:
        parsed = httpx.URL(url.strip())
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.userinfo:
        raise ConfigurationError(f"{url} is no address of an API. One looks like http://127.0.0.1:4600/v1")
    path = parsed.path.rstrip("/")
    return str(parsed.copy_with(path=path or "/v1", query=None, fragment=None))


def _check_key(key: str) -> str:
    """Refuse a key that no header takes, as one that was copied with a line break in it."""
    stripped = key.strip()
    if not re.fullmatch(r"[!-~]*", stripped):
        raise ConfigurationError("The API key has a space or a character that no key has; copy it again.")
    return stripped


def _find_key(url: str, named: str, host: HostAddress | None, *, is_needed: bool) -> str:
    if named:
        return named
    if host is not None and check_url(url) == host.base_url:
        return host.api_key
    if not is_needed:
        return ""
    raise ConfigurationError(f"There is no key for {check_url(url)}. Name it with --key or {KEY_VARIABLE}.")


def _ask_for_key(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"A key of the stack {name} is needed, and AWS keeps only its hash. Name it with --key or {KEY_VARIABLE}; "
        f"make one with mediaposter keys create NAME --stack {name}"
    )


def _ask_aws(
    name: str,
    key: str,
    endpoint_url: str | None,
    open_stack: Callable[[str, str | None], AbstractContextManager[DeployedStack]],
) -> Address:
    with open_stack(name, endpoint_url) as opened:
        return Address(check_url(opened.base_url), key, f"the stack {name} on AWS")


@contextmanager
def _explain_none_found() -> Iterator[None]:
    """Say first that no place was named, then why AWS knows none."""
    try:
        yield
    except ConfigurationError as error:
        raise NoStackFound(f"{NONE_FOUND} (On AWS: {error})") from error
    except ModuleNotFoundError as error:
        raise NoStackFound(NONE_FOUND) from error
