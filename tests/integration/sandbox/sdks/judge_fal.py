"""The SDK of fal on the stand-in for its queue. It speaks HTTPS to fal alone, so its address is put in its place."""

import time
from typing import Any

import fal_client
import httpx
import pytest
from fal_client import client as internals
from fal_client.client import FalClientHTTPError

from tests.integration.sandbox.sdks.stand_in import ORIGIN, is_mp4, play

TEXT = "fal-ai/wan/v2.7/text-to-video"
IMAGE = "fal-ai/wan/v2.7/image-to-video"
WANTED: dict[str, Any] = {"prompt": "A kite", "duration": 2, "resolution": "720p"}


@pytest.fixture(autouse=True)
def _call_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "QUEUE_URL_FORMAT", f"{ORIGIN}/")
    monkeypatch.setattr(internals, "MAX_ATTEMPTS", 1)


@pytest.fixture(scope="module")
def client() -> fal_client.SyncClient:
    return fal_client.SyncClient(key="sandbox-key-id:sandbox-key-secret")


def test_a_video_is_made_from_a_text_and_downloaded_without_the_key(client: fal_client.SyncClient) -> None:
    seen: list[Any] = []

    result = client.subscribe(TEXT, WANTED, on_queue_update=seen.append)

    assert {type(each) for each in seen} <= {fal_client.Queued, fal_client.InProgress, fal_client.Completed}
    assert seen[-1].metrics["inference_time"] > 0
    assert is_mp4(httpx.get(result["video"]["url"]).content)
    assert httpx.get(result["video"]["url"], headers={"authorization": "Key x"}).status_code == 400


def test_a_video_is_made_from_a_picture(client: fal_client.SyncClient) -> None:
    result = client.subscribe(IMAGE, {**WANTED, "image_url": "https://example.com/a.png"})

    assert result["video"]["content_type"] == "video/mp4"


def test_an_address_that_has_expired_is_not_found(client: fal_client.SyncClient) -> None:
    result = client.subscribe(TEXT, {**WANTED, "prompt": "Expired"})
    play("content", "Expired", type="expired_url")

    assert [httpx.get(result["video"]["url"]).status_code for _ in range(2)] == [404, 404]


def test_a_request_that_runs_is_cancelled(client: fal_client.SyncClient) -> None:
    play("create", "Slow", type="never_finish")
    handle = client.submit(TEXT, {**WANTED, "prompt": "Slow"})
    wait_for(handle, fal_client.InProgress)

    handle.cancel()

    assert isinstance(handle.status(), fal_client.Completed)
    with pytest.raises(FalClientHTTPError) as refused:
        handle.get()
    assert (refused.value.status_code, refused.value.error_type) == (499, "client_cancelled")


def test_a_model_may_go_on_though_it_is_cancelled(client: fal_client.SyncClient) -> None:
    play("create", "Deaf", type="ignore_cancel")
    handle = client.submit(TEXT, {**WANTED, "prompt": "Deaf"})
    wait_for(handle, fal_client.InProgress)

    handle.cancel()

    assert "video" in handle.get()


def test_what_has_ended_is_not_cancelled(client: fal_client.SyncClient) -> None:
    handle = client.submit(TEXT, WANTED)
    handle.get()

    with pytest.raises(FalClientHTTPError) as refused:
        handle.cancel()
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"resolution": "4k"},
        {"duration": "2"},
        {"prompt": "x" * 5001},
        {"seeds": 1},
        {"aspect_ratio": "2:1"},
    ],
)
def test_what_is_wrong_is_told_by_the_result_of_the_request(
    client: fal_client.SyncClient, wrong: dict[str, Any]
) -> None:
    with pytest.raises(FalClientHTTPError) as refused:
        client.subscribe(TEXT, {**WANTED, **wrong})

    assert refused.value.status_code == 422
    (found,) = list(refused.value.message)
    assert found["loc"] == ["body", *wrong]


@pytest.mark.parametrize(
    ("fault", "status", "error_type"),
    [("fail_model", 422, "content_policy_violation"), ("fail_request", 504, "request_timeout")],
)
def test_a_render_can_fail(client: fal_client.SyncClient, fault: str, status: int, error_type: str) -> None:
    play("create", fault, type=fault)

    with pytest.raises(FalClientHTTPError) as refused:
        client.subscribe(TEXT, {**WANTED, "prompt": fault})

    assert (refused.value.status_code, refused.value.error_type) == (status, error_type)


def test_a_used_up_balance_is_forbidden(client: fal_client.SyncClient) -> None:
    play("create", "Poor", type="exhausted_balance")

    with pytest.raises(FalClientHTTPError, match="Exhausted balance") as refused:
        client.submit(TEXT, {**WANTED, "prompt": "Poor"})
    assert refused.value.status_code == 403


def test_a_wrong_key_is_refused() -> None:
    with pytest.raises(FalClientHTTPError, match="No user found") as refused:
        fal_client.SyncClient(key="wrong:key").submit(TEXT, WANTED)
    assert refused.value.status_code == 401


def test_an_unknown_application_and_an_unknown_request_are_not_found(client: fal_client.SyncClient) -> None:
    with pytest.raises(FalClientHTTPError, match="Application") as unknown_application:
        client.submit("fal-ai/none/x", WANTED)
    with pytest.raises(FalClientHTTPError, match="NOT_FOUND") as unknown_request:
        client.result(TEXT, "unknown")
    assert (unknown_application.value.status_code, unknown_request.value.status_code) == (404, 404)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_or_broken_queue_is_the_sdks_own_error(client: fal_client.SyncClient, status: int) -> None:
    play("create", f"At {status}", type="respond", status=status, headers={"retry-after": "7"}, body={"detail": "No"})

    with pytest.raises(FalClientHTTPError) as refused:
        client.submit(TEXT, {**WANTED, "prompt": f"At {status}"})

    assert (refused.value.status_code, refused.value.response_headers["retry-after"]) == (status, "7")


def wait_for(handle: Any, kind: type[Any]) -> None:
    deadline = time.monotonic() + 10
    while not isinstance(handle.status(), kind) and time.monotonic() < deadline:
        time.sleep(0.05)
