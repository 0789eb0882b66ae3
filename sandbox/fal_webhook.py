"""The webhooks of the stand-in for fal's queue: signed as fal signs them, and sent to this machine alone.

Written on 2026-11-23 from fal.ai/docs/documentation/model-apis/inference/webhooks.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Awaitable, Callable
from hashlib import sha256
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.engine import Body

_USER_ID = "sandbox-user"
_TIMEOUT_SECONDS = 15
_ATTEMPTS = 11
# fal spreads its attempts over two hours.
_RETRY_SECONDS = 0.5


class WebhookSender:
    """Signs webhooks with a key of its own, and posts them until they are taken."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._sleep = sleep
        self._private_key = Ed25519PrivateKey.generate()

    def describe_keys(self) -> Body:
        """Give the keys that a receiver verifies signatures with, as RFC 8037 has them."""
        raw = self._private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "sandbox", "x": x}]}

    async def send(self, url: str, request_id: str, body: bytes, *, is_signed: bool = True) -> None:
        """Post a webhook; again while it is refused, but not after a redirect, and never to another machine."""
        if not _is_loopback(url):
            return
        async with httpx.AsyncClient(transport=self._transport, timeout=_TIMEOUT_SECONDS) as http:
            for _ in range(_ATTEMPTS):
                headers = self._build_headers(request_id, body)
                if not is_signed:
                    del headers["X-Fal-Webhook-Signature"]
                try:
                    if (await http.post(url, content=body, headers=headers)).status_code < 400:
                        return
                except httpx.TransportError:
                    pass
                await self._sleep(_RETRY_SECONDS)

    def _build_headers(self, request_id: str, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._clock()))
        message = "\n".join((request_id, _USER_ID, timestamp, sha256(body).hexdigest()))
        return {
            "Content-Type": "application/json",
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": _USER_ID,
            "X-Fal-Webhook-Timestamp": timestamp,
            "X-Fal-Webhook-Signature": self._private_key.sign(message.encode()).hex(),
        }


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
