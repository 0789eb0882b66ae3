"""The SDK of Runway on its stand-in; every answer is checked against the SDK's own types."""

import base64
from typing import Any

import httpx
import pytest
import runwayml
from runwayml import RunwayML
from runwayml.lib import polling

from tests.integration.sandbox.sdks.stand_in import ORIGIN, draw_picture, is_mp4, play

WANTED: Any = {"model": "gen4.5", "prompt_text": "A kite", "ratio": "1280:720", "duration": 2}
PICTURE = f"data:image/png;base64,{base64.b64encode(draw_picture(64, 64)).decode()}"


def connect(api_key: str = "key_runway-sandbox", **settings: Any) -> RunwayML:
    return RunwayML(api_key=api_key, base_url=ORIGIN, max_retries=0, _strict_response_validation=True, **settings)


@pytest.fixture(scope="module")
def client() -> RunwayML:
    return connect()


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_TIME", 0.1)
    monkeypatch.setattr(polling, "POLL_JITTER", 0)


def create(client: RunwayML, **changes: Any) -> Any:
    return client.text_to_video.create(**{**WANTED, **changes})


def test_a_video_is_made_from_a_text_and_downloaded_without_the_key(client: RunwayML) -> None:
    created = create(client)
    assert client.tasks.retrieve(created.id).status in ("PENDING", "RUNNING")

    task: Any = created.wait_for_task_output()

    assert task.cost.credits == 24
    assert is_mp4(httpx.get(task.output[0]).content)
    with_the_key = httpx.get(task.output[0], headers={"authorization": "Bearer key_runway-sandbox"})
    assert with_the_key.status_code == 400


def test_an_address_that_has_expired_is_refused_and_the_next_answer_has_another(client: RunwayML) -> None:
    task: Any = create(client, prompt_text="Expired").wait_for_task_output()
    play("content", "Expired", type="expired_url")

    assert [httpx.get(task.output[0]).status_code for _ in range(2)] == [403, 403]
    again: Any = client.tasks.retrieve(task.id)
    assert is_mp4(httpx.get(again.output[0]).content)


@pytest.mark.parametrize("image", [PICTURE, [{"uri": "https://example.com/a.png", "position": "first"}]])
def test_a_video_is_made_from_a_picture(client: RunwayML, image: Any) -> None:
    created = client.image_to_video.create(**WANTED, prompt_image=image)

    assert client.tasks.retrieve(created.id).status != "FAILED"


def test_a_task_is_cancelled_and_then_unknown(client: RunwayML) -> None:
    play("create", "Slow", type="never_finish")
    task = create(client, prompt_text="Slow")

    client.tasks.delete(task.id)

    with pytest.raises(runwayml.NotFoundError):
        client.tasks.retrieve(task.id)


def test_a_failure_is_the_sdks_own(client: RunwayML) -> None:
    play("create", "Blocked", type="fail", failure="Unsafe.", failureCode="SAFETY.INPUT.TEXT")

    with pytest.raises(polling.TaskFailedError) as failed:
        create(client, prompt_text="Blocked").wait_for_task_output()

    details: Any = failed.value.task_details
    assert (details.failure, details.failure_code) == ("Unsafe.", "SAFETY.INPUT.TEXT")


@pytest.mark.parametrize(
    ("fault", "status"), [({"type": "throttled_for", "seconds": 60}, "THROTTLED"), ({"type": "cancelled"}, "CANCELLED")]
)
def test_a_task_can_be_held_back_or_stopped(client: RunwayML, fault: dict[str, Any], status: str) -> None:
    play("create", status, **fault)
    task = create(client, prompt_text=status)
    while (shown := client.tasks.retrieve(task.id).status) in ("PENDING", "RUNNING"):
        pass

    assert shown == status


@pytest.mark.parametrize("wrong", [{"ratio": "1:1"}, {"duration": 11}, {"prompt_text": "x" * 1001}, {"model": "gen9"}])
def test_what_is_wrong_is_a_bad_request(client: RunwayML, wrong: dict[str, Any]) -> None:
    with pytest.raises(runwayml.BadRequestError, match=r"Validation of body failed"):
        create(client, **wrong)


@pytest.mark.parametrize("image", ["http://example.com/a.png", "https://127.0.0.1/a.png", "data:image/png;base64,%"])
def test_a_picture_that_cannot_be_fetched_is_a_bad_request(client: RunwayML, image: str) -> None:
    with pytest.raises(runwayml.BadRequestError):
        client.image_to_video.create(**WANTED, prompt_image=image)


def test_a_wrong_key_is_an_authentication_error() -> None:
    with pytest.raises(runwayml.AuthenticationError):
        create(connect("key_wrong"))


def test_another_version_of_the_api_is_a_bad_request() -> None:
    with pytest.raises(runwayml.BadRequestError, match="X-Runway-Version"):
        create(connect(runway_version="2023-01-01"))


def test_an_unknown_task_is_not_found(client: RunwayML) -> None:
    with pytest.raises(runwayml.NotFoundError):
        client.tasks.retrieve("00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize(("status", "error"), [(429, runwayml.RateLimitError), (503, runwayml.InternalServerError)])
def test_a_busy_or_broken_server_is_the_sdks_own_error(
    client: RunwayML, status: int, error: type[runwayml.APIStatusError]
) -> None:
    play("create", f"At {status}", type="respond", status=status, headers={"retry-after": "7"}, body={"error": "Later"})

    with pytest.raises(error) as refused:
        create(client, prompt_text=f"At {status}")

    assert refused.value.response.headers["retry-after"] == "7"
