"""Bodies as callers send them, and the refusals that they meet."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

import httpx
import pytest

from mediaposter.domain.errors import InvalidRequest

JSON = "application/json"
PROMPT = "A red kite over the sea"
TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "101"}
TIKTOK = {"platform": "tiktok", "account_id": "101", "privacy_level": "SELF_ONLY"}


class Sent(NamedTuple):
    """A body as it came over the wire."""

    body: bytes
    content_type: str


def send_json(fields: object) -> Sent:
    return Sent(json.dumps(fields).encode(), JSON)


def send_form(fields: dict[str, str], files: dict[str, bytes] | None = None) -> Sent:
    """Write a form as a client does."""
    parts = [(name, (None, value.encode("utf-8", "surrogatepass"))) for name, value in fields.items()]
    named = [(name, ("a.png", content)) for name, content in (files or {}).items()]
    request = httpx.Request("POST", "https://api.example", files=[*parts, *named])
    return Sent(request.read(), request.headers["content-type"])


def refusal_of(read: Callable[..., object], *arguments: object) -> InvalidRequest:
    """Give the refusal, which is a sentence that a reply can carry."""
    with pytest.raises(InvalidRequest) as caught:
        read(*arguments)
    refusal = caught.value
    assert refusal.message.endswith(".")
    assert len(refusal.message) < 1_000
    assert len(refusal.param or "") <= 80
    assert (refusal.message + (refusal.param or "")).encode()
    return refusal


def refusal_or_none(read: Callable[..., object], *arguments: object) -> InvalidRequest | None:
    """Give the refusal, if there is one."""
    try:
        read(*arguments)
    except InvalidRequest:
        return refusal_of(read, *arguments)
    return None


def write_png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Write a PNG of these chunks, with their checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def write_png_header(**changes: int) -> tuple[bytes, bytes]:
    fields = {"width": 90, "height": 160, "depth": 8, "colour": 2, "compression": 0, "filter": 0, "interlace": 0}
    return b"IHDR", struct.pack(">IIBBBBB", *{**fields, **changes}.values())
