"""The SDK of Google on the stand-in for its Interactions and Files APIs."""

import base64
import time
from typing import Any

import pytest
from google import genai
from google.genai import _interactions as api  # where the SDK keeps its exceptions
from google.genai import errors, types

from tests.integration.sandbox.sdks.stand_in import ORIGIN, draw_picture, is_mp4, play

MODEL = "gemini-omni-1.2-flash"
FORMAT: Any = {"type": "video", "duration": "3s", "resolution": "360p", "delivery": "uri"}


def connect(api_key: str = "gemini-sandbox-key") -> genai.Client:
    options = types.HttpOptions(base_url=ORIGIN, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=api_key, http_options=options)


@pytest.fixture(scope="module")
def client() -> genai.Client:
    return connect()


def create(client: genai.Client, prompt: Any = "A kite", **changes: Any) -> Any:
    wanted = {"model": MODEL, "input": prompt, "response_format": FORMAT, "background": True}
    return client.interactions.create(**{**wanted, **changes})


def finish(client: genai.Client, interaction: Any) -> Any:
    deadline = time.monotonic() + 20
    while interaction.status in ("queued", "in_progress") and time.monotonic() < deadline:
        time.sleep(0.1)
        interaction = client.interactions.get(interaction.id)
    return interaction


def read_video(interaction: Any) -> Any:
    return interaction.steps[-1].content[0]


def test_a_video_is_made_from_a_text_and_downloaded_once_its_file_is_active(client: genai.Client) -> None:
    done = finish(client, create(client))

    assert (done.status, done.steps[-1].type) == ("completed", "model_output")
    assert done.usage.total_output_tokens > 0
    name = read_video(done).uri.split("/")[-1].split(":")[0]
    file = client.files.get(name=name)
    assert file.state is types.FileState.PROCESSING
    while file.state is not types.FileState.ACTIVE:
        file = client.files.get(name=name)
    assert file.source is types.FileSource.GENERATED
    content = client.files.download(file=file)
    assert is_mp4(content)
    assert len(content) == file.size_bytes


def test_a_video_is_made_from_a_picture_and_may_come_in_the_answer(client: genai.Client) -> None:
    picture = base64.b64encode(draw_picture(640, 360)).decode()
    parts = [{"type": "text", "text": "A kite"}, {"type": "image", "mime_type": "image/png", "data": picture}]

    done = create(client, parts, background=False, response_format={**FORMAT, "delivery": "inline"})

    assert done.status == "completed"
    assert is_mp4(base64.b64decode(read_video(done).data))


def test_a_video_is_extended_by_the_interaction_after_it(client: genai.Client) -> None:
    first = finish(client, create(client))

    second = finish(client, create(client, "Continue the video", previous_interaction_id=first.id))

    assert (second.status, second.previous_interaction_id) == ("completed", first.id)


def test_an_interaction_is_cancelled_deleted_and_then_unknown(client: genai.Client) -> None:
    play("create", "Slow", type="never_finish")
    slow = create(client, "Slow")

    assert client.interactions.cancel(slow.id).status == "cancelled"
    client.interactions.delete(slow.id)

    with pytest.raises(api.NotFoundError):
        client.interactions.get(slow.id)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"type": "fail"}, "failed"),
        ({"type": "complete_empty"}, "completed"),
        ({"type": "status", "status": "incomplete"}, "incomplete"),
        ({"type": "status", "status": "budget_exceeded"}, "budget_exceeded"),
    ],
)
def test_an_interaction_can_end_without_a_video(client: genai.Client, fault: dict[str, Any], status: str) -> None:
    play("create", f"Ends {fault}", **fault)

    done = finish(client, create(client, f"Ends {fault}"))

    assert (done.status, [step.type for step in done.steps]) == (status, ["user_input"])


def test_a_file_can_fail(client: genai.Client) -> None:
    play("create", "Spoilt", type="file_failed")
    done = finish(client, create(client, "Spoilt"))
    name = read_video(done).uri.split("/")[-1].split(":")[0]

    while (state := client.files.get(name=name).state) is types.FileState.PROCESSING:
        pass

    assert state is types.FileState.FAILED
    with pytest.raises(errors.ClientError, match="not in an ACTIVE state"):
        client.files.download(file=name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_format": {**FORMAT, "resolution": "8k"}},
        {"response_format": {**FORMAT, "duration": "16s"}},
        {"input": "<LAST_FRAME> A kite"},
        {"generation_config": {"seed": 1}},
        {"store": False},
    ],
)
def test_what_is_wrong_is_a_bad_request(client: genai.Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(api.BadRequestError):
        create(client, **wrong)


def test_an_unknown_model_is_not_found(client: genai.Client) -> None:
    with pytest.raises(api.NotFoundError):
        create(client, model="gemini-omni-9")


def test_a_wrong_key_is_refused_as_each_api_does() -> None:
    stranger = connect("wrong")

    with pytest.raises(api.AuthenticationError):
        create(stranger)
    with pytest.raises(errors.ClientError) as refused:
        stranger.files.get(name="unknown")
    assert (refused.value.code, refused.value.status) == (403, "PERMISSION_DENIED")


def test_an_unknown_file_is_not_found(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as refused:
        client.files.get(name="unknown")

    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("status", "error"), [(429, api.RateLimitError), (503, api.InternalServerError)])
def test_a_busy_or_broken_server_is_the_sdks_own_error(
    client: genai.Client, status: int, error: type[api.APIStatusError]
) -> None:
    play("create", f"At {status}", times=5, type="respond", status=status, headers={"retry-after": "7"}, body={})

    with pytest.raises(error) as refused:
        create(client, f"At {status}")

    assert refused.value.response.headers["retry-after"] == "7"
