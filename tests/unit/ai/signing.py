"""Signing webhooks as Standard Webhooks prescribe."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime


def sign_standard(body: bytes, secret: str, *, webhook_id: str, at: datetime | str) -> dict[str, str]:
    """Give the headers of a signed body; a text stands for a time as it is."""
    timestamp = at if isinstance(at, str) else str(int(at.timestamp()))
    mac = hmac.digest(
        base64.b64decode(secret.removeprefix("whsec_")), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256
    )
    signature = "v1," + base64.b64encode(mac).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
