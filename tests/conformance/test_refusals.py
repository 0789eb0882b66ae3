"""What bad requests get: their exact envelope, and nothing recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import httpx
import pytest
from pydantic import JsonValue

from mediaposter.stores.keys import Scope
from tests.conformance.stack import Stack, read_error

pytestmark = pytest.mark.both

INVALID = "invalid_request_error"
KITE: dict[str, JsonValue] = {"prompt": "A kite"}
JSON = {"Content-Type": "application/json"}
NO_SUCH = "video_00000000000000000000000000000000"


class Bad(NamedTuple):
    """A request, and what it gets. `body` is JSON unless it is bytes."""

    method: str
    path: str
    body: JsonValue | bytes
    status: int
    param: str | None
    code: str
    headers: Mapping[str, str] = JSON


REQUESTS: dict[str, Bad] = {
    "no prompt": Bad("POST", "/videos", {}, 400, "prompt", "missing_required_parameter"),
    "an empty prompt": Bad("POST", "/videos", {"prompt": ""}, 400, "prompt", "invalid_value"),
    "an unknown field": Bad("POST", "/videos", {**KITE, "colour": "red"}, 400, "colour", "unknown_parameter"),
    "an unknown model": Bad("POST", "/videos", {**KITE, "model": "sora-9"}, 400, "model", "model_not_found"),
    "a size it cannot do": Bad("POST", "/videos", {**KITE, "size": "1024x1792"}, 400, "size", "invalid_value"),
    "a length it cannot do": Bad("POST", "/videos", {**KITE, "seconds": "5"}, 400, "seconds", "invalid_value"),
    "a plain webhook": Bad(
        "POST", "/videos", {**KITE, "webhook_url": "http://kites.example"}, 400, "webhook_url", "invalid_value"
    ),
    "an unknown network": Bad(
        "POST", "/videos", {**KITE, "publish": [{"platform": "usenet"}]}, 400, "publish[0]", "invalid_value"
    ),
    "an account that is not connected": Bad(
        "POST",
        "/videos",
        {**KITE, "publish": [{"platform": "instagram", "account_id": "999"}]},
        400,
        "publish[0].account_id",
        "account_not_found",
    ),
    "an upload that is not there": Bad(
        "POST",
        "/videos",
        {**KITE, "input_reference": {"upload_id": f"upload_{'0' * 32}"}},
        400,
        "input_reference",
        "invalid_value",
    ),
    "no JSON": Bad("POST", "/videos", b"{", 400, None, "invalid_json"),
    "no object": Bad("POST", "/videos", [], 400, None, "invalid_json"),
    "a name twice": Bad("POST", "/videos", b'{"prompt": "a", "prompt": "b"}', 400, "prompt", "duplicate_field"),
    "no form": Bad(
        "POST",
        "/videos",
        b"no boundary in here",
        400,
        None,
        "invalid_multipart",
        {"Content-Type": "multipart/form-data; boundary=x"},
    ),
    "a type that no body has": Bad(
        "POST", "/videos", b"prompt: A kite", 400, None, "unsupported_content_type", {"Content-Type": "text/yaml"}
    ),
    "too much JSON": Bad("POST", "/videos", {"prompt": "k" * 7_000_000}, 413, None, "request_too_large"),
    "an unknown video": Bad("GET", f"/videos/{NO_SUCH}", None, 404, None, "not_found"),
    "the content of an unknown video": Bad("GET", f"/videos/{NO_SUCH}/content", None, 404, None, "not_found"),
    "an unknown variant": Bad(
        "GET", f"/videos/{NO_SUCH}/content?variant=hologram", None, 400, "variant", "invalid_value"
    ),
    "the deletion of an unknown video": Bad("DELETE", f"/videos/{NO_SUCH}", None, 404, None, "not_found"),
    "a remix of an unknown video": Bad("POST", f"/videos/{NO_SUCH}/remix", KITE, 404, None, "not_found"),
    "a list that is too long": Bad("GET", "/videos?limit=1000", None, 400, "limit", "invalid_value"),
    "an order that there is not": Bad("GET", "/videos?order=random", None, 400, "order", "invalid_value"),
    "an empty batch": Bad("POST", "/batches", {"rows": []}, 400, "rows", "invalid_value"),
    "a batch without rows": Bad("POST", "/batches", {}, 400, None, "invalid_value"),
    "an upload of a type that is not taken": Bad(
        "POST", "/uploads", {"content_type": "image/gif", "size_bytes": 1}, 400, "content_type", "invalid_value"
    ),
    "an unknown route": Bad("GET", "/nothing/here", None, 404, None, "not_found"),
    "a method that a route does not have": Bad("PUT", "/videos", KITE, 404, None, "not_found"),
}


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with stack.client(stack.make_key(Scope.READ, Scope.CREATE, Scope.PUBLISH)) as client:
        yield client


@pytest.mark.parametrize("what", REQUESTS)
def test_a_bad_request_is_refused(stack: Stack, client: httpx.Client, what: str) -> None:
    bad = REQUESTS[what]
    if bad.status == 413 and stack.host == "deployed":
        pytest.skip("the emulator's gateway has no limit of size")

    if isinstance(bad.body, bytes):
        answer = client.request(bad.method, bad.path, content=bad.body, headers=bad.headers)
    else:
        answer = client.request(bad.method, bad.path, json=bad.body)

    assert (answer.status_code, *read_error(answer)) == (bad.status, INVALID, bad.param, bad.code), answer.text[:500]
    assert answer.headers["x-request-id"]


def test_nothing_of_a_refused_request_is_recorded(client: httpx.Client) -> None:
    assert client.get("/videos").json()["data"] == []
    assert client.get("/usage").json()["videos"] == 0


@pytest.mark.parametrize(
    "key",
    # The last is of the right form: only the authorizer knows that there is no such key.
    [None, "wrong", "mp_wrong", f"mp_{'a' * 43}"],
    ids=["none", "of another form", "too short", "unknown"],
)
def test_a_missing_or_wrong_key_is_refused(stack: Stack, key: str | None) -> None:
    with stack.client(key) as client:
        answer = client.post("/videos", json=KITE)

    assert (answer.status_code, *read_error(answer)) == (401, INVALID, None, "invalid_api_key")
