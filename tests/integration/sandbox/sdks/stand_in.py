"""The stand-in that an SDK calls, for the judges beside this file; they run in `.tools/sdks`, without the project."""

import os
import struct
import zlib
from typing import Any

import httpx

ORIGIN = os.environ.get("STAND_IN", "")
SERVER_ERROR: dict[str, Any] = {"type": "respond", "status": 503, "body": {"error": {"message": "Overloaded."}}}


def play(on: str, match: str, *, times: int = 1, **action: Any) -> None:
    """Have the stand-in play a fault on calls whose prompt contains `match`."""
    rule = {"on": on, "match": match, "times": times, "action": action}
    httpx.post(f"{ORIGIN}/_sandbox/faults", json={"rules": [rule]}).raise_for_status()


def read_calls() -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = httpx.get(f"{ORIGIN}/_sandbox/calls").json()["calls"]
    return calls


def draw_picture(width: int, height: int) -> bytes:
    """Give a grey PNG."""
    rows = (b"\x00" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def is_mp4(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and b"moov" in content and len(content) > 10_000
