"""What the tests of the Blotato stand-in share: valid posts, a clock, and a client's usual calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import JsonValue, TypeAdapter
from starlette.testclient import TestClient

from sandbox.blotato import ACCOUNTS, FACEBOOK_PAGE, PINTEREST_BOARD
from sandbox.blotato_state import CallRow, PostRow, UploadRow

API_KEY = "blotato-sandbox-key="
KEY_HEADER = {"blotato-api-key": API_KEY}
MP4 = b"\x00\x00\x00\x18ftypisom" + b"\x00" * 100
PUBLIC_VIDEO = "https://media.example.com/clip.mp4"

# Parsed JSON of an answer.
Json = dict[str, Any]

TARGETS: dict[str, Json] = {
    "twitter": {},
    "instagram": {"mediaType": "reel"},
    "facebook": {"pageId": FACEBOOK_PAGE.id},
    "linkedin": {},
    "tiktok": {
        "privacyLevel": "PUBLIC_TO_EVERYONE",
        "disabledComments": False,
        "disabledDuet": False,
        "disabledStitch": False,
        "isBrandedContent": False,
        "isYourBrand": False,
        "isAiGenerated": True,
    },
    "youtube": {"title": "A clip", "privacyStatus": "public", "shouldNotifySubscribers": False},
    "pinterest": {"boardId": PINTEREST_BOARD.id},
    "threads": {},
    "bluesky": {},
}


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Naps:
    """A sleep that only takes note."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def build_post(
    platform: str = "instagram",
    *,
    text: str = "A clip",
    media_urls: tuple[str, ...] = (PUBLIC_VIDEO,),
    target: Json | None = None,
    **root: JsonValue,
) -> Json:
    return {
        "post": {
            "accountId": ACCOUNTS[platform].id,
            "content": {"text": text, "mediaUrls": list(media_urls), "platform": platform},
            "target": {"targetType": platform, **(TARGETS[platform] if target is None else target)},
        },
        **root,
    }


def submit(client: TestClient, body: Json) -> str:
    response = client.post("/v2/posts", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["postSubmissionId"])


def get_json(client: TestClient, path: str, **query: str) -> Json:
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    return dict(response.json())


def get_status(client: TestClient, submission_id: str) -> Json:
    return get_json(client, f"/v2/posts/{submission_id}")


def request_upload(client: TestClient, filename: str = "clip.mp4") -> tuple[str, str]:
    response = client.post("/v2/media/uploads", json={"filename": filename})
    assert response.status_code == 201
    return response.json()["presignedUrl"], response.json()["publicUrl"]


def put_bytes(
    client: TestClient, presigned_url: str, body: bytes = MP4, *, more_headers: dict[str, str] | None = None
) -> int:
    """Put as a client that knows the rules: no key, a length, a type."""
    headers = {"content-type": "video/mp4"} | (more_headers or {})
    return TestClient(client.app).put(presigned_url, content=body, headers=headers).status_code


def add_fault(client: TestClient | httpx.Client, on: str, action: Json, **rule: JsonValue) -> None:
    response = client.post("/_sandbox/faults", json={"rules": [{"on": on, "action": action, **rule}]})
    assert response.status_code == 204, response.text


def get_calls(client: TestClient | httpx.Client) -> list[CallRow]:
    return TypeAdapter(list[CallRow]).validate_python(client.get("/_sandbox/calls").json()["calls"])


def get_posts(client: TestClient | httpx.Client) -> list[PostRow]:
    return TypeAdapter(list[PostRow]).validate_python(client.get("/_sandbox/posts").json()["posts"])


def get_uploads(client: TestClient | httpx.Client) -> list[UploadRow]:
    return TypeAdapter(list[UploadRow]).validate_python(client.get("/_sandbox/uploads").json()["uploads"])
