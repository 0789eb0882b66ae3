"""Judge a URL from outside, and the addresses of its host: most lead somewhere that no request may go."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx

from mediaposter.domain.errors import ConfigurationError, ErrorCode, VideoModelError
from mediaposter.http.reply import describe_error

# IANA allocates global unicast from this block alone. Addresses outside it can lead to a private IPv4 host: NAT64's
# 64:ff9b::/96 (which Python calls global), IPv4-mapped, IPv4-compatible, site-local and multicast addresses.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# Inside that block, but embeds an IPv4 address that the sender chooses; Python calls it global.
_6TO4 = IPv6Network("2002::/16")
# AWS serves instance metadata, with the instance's keys, here and at the link-local 169.254.169.254.
_METADATA_V6 = IPv6Address("fd00:ec2::254")


class AddressRefused(VideoModelError):
    """A URL is malformed, or leads to an address that is not allowed; no request was sent to it.

    Attributes:
        origin: of a URL that would be allowed if the operator listed it as their own.
    """

    def __init__(self, message: str, *, origin: str | None = None) -> None:
        super().__init__(ErrorCode.PROVIDER_ERROR, message)
        self.origin = origin


def parse_url(url: str, *, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL, or resolve it against `base`, without its fragment.

    Raises:
        AddressRefused: it is malformed, or has a user name or password in it.
    """
    try:
        parsed = httpx.URL(url) if base is None else base.join(url)
        host = parsed.host  # decoded only here
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"That is not a URL: {describe_error(error)}.") from error
    if parsed.userinfo:
        raise AddressRefused("A URL with a user name or password in it is not fetched.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise AddressRefused(f"That is not a URL: there is no port {parsed.port}.")
    # For a host without labels, or with an empty or too long one, the resolver would only say that it does not exist.
    if host and ":" not in host and not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        raise AddressRefused("That is not a URL: its host has a part that is empty, or longer than 63 characters.")
    return parsed.copy_with(fragment=None)


def join_url(base: httpx.URL | str, location: str, *, source: str) -> httpx.URL:
    """Resolve an address that the server `source` gave in a reply or a redirect.

    Raises:
        AddressRefused: it is not a URL.
    """
    try:
        url = httpx.URL(base).join(location)
        host = url.host  # decoded only here
    except (httpx.InvalidURL, ValueError) as error:
        raise AddressRefused(f"{source} gave an address that is not a URL: {describe_error(error)}.") from error
    if not host:
        raise AddressRefused(f"{source} gave an address that is not a URL: it names no host.")
    return url


def parse_base_url(base_url: str, example_url: str) -> httpx.URL:
    """Parse the URL before a vendor's paths; `example_url` is for the error message.

    Raises:
        ConfigurationError: it cannot be one.
    """
    try:
        url = httpx.URL(base_url.rstrip("/"))
        host = url.host
    except (httpx.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"base_url is not a URL: {error}.") from error
    # An empty query or fragment counts too: the paths would become part of it.
    if url.scheme not in ("http", "https") or not host or url.userinfo or re.search("[?#]", base_url):
        raise ConfigurationError(
            f"base_url must read like {example_url}, without a user name, password, query or fragment."
        )
    return url


def find_origin(url: httpx.URL) -> str:
    """Return scheme, host and port, as `http://host:9000`."""
    # httpx omits a scheme's default port.
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        # Python counts multicast as global.
        return ip.is_global and not ip.is_multicast
    return ip.is_global and ip in _GLOBAL_UNICAST and ip not in _6TO4


def holds_no_keys(address: str) -> bool:
    """Tell whether no cloud serves metadata, with the requesting machine's keys, at an address."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        # An IPv4 address may be written as IPv6, and a link-local address may end in a scope.
        ip = ip.ipv4_mapped or IPv6Address(int(ip))
    return not (ip.is_link_local or ip.is_multicast or ip == _METADATA_V6)
