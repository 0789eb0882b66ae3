"""The webhooks of the stand-in for fal's queue: signed as fal signs them, and sent to this machine alone.

The scheme is of fal.ai/docs/documentation/model-apis/inference/webhooks.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict

_USER_ID = "sandbox-user"
_TIMEOUT_SECONDS = 15
_ATTEMPTS = 11
# fal spreads its attempts over two hours.
_RETRY_SECONDS = 0.5


class PublicKey(BaseModel):
    """A key of the set, as RFC 8037 has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    kid: str = "sandbox"
    x: str


class KeySet(BaseModel):
    """What `GET /.well-known/jwks.json` answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[PublicKey, ...]


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

    def describe_keys(self) -> KeySet:
        """Give the keys that a receiver verifies signatures with."""
        raw = self._private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return KeySet(keys=(PublicKey(x=base64.urlsafe_b64encode(raw).decode().rstrip("=")),))

    async def send(self, url: str, request_id: str, body: bytes, *, is_signed: bool = True) -> None:
        """Post a webhook; again while it is refused, but not after a redirect, and never to another machine."""
        if not _is_loopback(url):
            return
        async with httpx.AsyncClient(transport=self._transport, timeout=_TIMEOUT_SECONDS) as http:
            for _ in range(_ATTEMPTS):
                headers = self._build_headers(request_id, body)
                if not is_signed:
                    del headers["X-Fal-Webhook-Signature"]
                if await _post(http, url, headers, body):
                    return
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


async def _post(http: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes) -> bool:
    """Tell whether that was the last attempt."""
    try:
        answer = await http.post(url, content=body, headers=headers)
    except httpx.TransportError:
        return False
    return answer.status_code < 400


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
