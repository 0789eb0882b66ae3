"""Captions that a model writes when a request is taken, on a host whose model is a server of this test."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mediaposter.host.folder import FILES_FOLDER
from sandbox.serving import serve_in_thread
from tests.conformance.embedded import EmbeddedHost
from tests.conformance.test_cli import run_script
from tests.integration.stack import wait_for

WAIT_SCALE = 0.02
PROMPT = "A paper boat on a rainy street"
TARGETS: list[dict[str, JsonValue]] = [
    {"platform": "twitter", "account_id": "901"},
    {"platform": "linkedin", "account_id": "902"},
    {"platform": "facebook", "account_id": "903", "page_id": "9030001"},
    {"platform": "tiktok", "account_id": "904", "privacy_level": "SELF_ONLY"},
    {"platform": "youtube", "account_id": "905", "title": "A boat"},
    {"platform": "pinterest", "account_id": "906", "board_id": "9060001"},
    {"platform": "instagram", "account_id": "907"},
    {"platform": "threads", "account_id": "908"},
    {"platform": "bluesky", "account_id": "909"},
]
THREADS = TARGETS[7]


class ChatServer:
    """Speaks chat completions: writes a text for each network, or does what `answer` says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[], Response] | None = None

    async def complete(self, request: Request) -> Response:
        """Answer one call."""
        body = await request.json()
        self.asked.append(body)
        if self.answer is not None:
            return self.answer()
        networks = body["response_format"]["json_schema"]["schema"]["properties"]
        words = {name: {"text": f"For {name}, number {len(self.asked)}"} for name in networks}
        return say(json.dumps(words))


def say(content: str) -> Response:
    return JSONResponse(
        {
            "choices": [{"message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 1_000, "completion_tokens": 500},
        }
    )


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ChatServer, str]]:
    chat = ChatServer()
    app = Starlette(routes=[Route("/v1/chat/completions", chat.complete, methods=["POST"])])
    with serve_in_thread(app) as base_url:
        yield chat, base_url


@pytest.fixture(scope="module")
def host(server: tuple[ChatServer, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    variables = {
        "CAPTIONS_API_KEY": "sk-words",
        "CAPTIONS_MODEL": "words-1",
        "CAPTIONS_BASE_URL": server[1],
        "CAPTIONS_INPUT_PRICE_MICROS": "250000",
        "CAPTIONS_OUTPUT_PRICE_MICROS": "2000000",
    }
    host = EmbeddedHost(tmp_path_factory.mktemp("captions"), variables, wait_scale=WAIT_SCALE)
    host.start()
    try:
        yield host
    finally:
        host.kill()


@pytest.fixture
def chat(server: tuple[ChatServer, str]) -> ChatServer:
    """Give the server as it answers at first."""
    server[0].asked.clear()
    server[0].answer = None
    return server[0]


@pytest.fixture
def api(host: EmbeddedHost) -> Iterator[httpx.Client]:
    with host.client() as client:
        yield client


def create(api: httpx.Client, *targets: dict[str, JsonValue], **fields: JsonValue) -> dict[str, Any]:
    body = {"prompt": PROMPT, "captions": "write", "publish": list(targets), **fields}
    answer = api.post("/videos", json=body)
    assert answer.status_code == 200, answer.text
    video: dict[str, Any] = answer.json()
    return video


def texts_of(video: dict[str, Any]) -> dict[str, str]:
    return {post["platform"]: post["text"] for post in video["posts"]}


def follow(api: httpx.Client, video_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        video: dict[str, Any] = api.get(f"/videos/{video_id}").json()
        return video if video["stage"] == "done" else None

    return wait_for(look, what=f"the end of {video_id}")


def test_nine_networks_are_posted_to_with_the_words_of_one_call(api: httpx.Client, chat: ChatServer) -> None:
    requests_before, cost_before = _read_captions(api)

    video = create(api, *TARGETS)
    done = follow(api, video["id"])

    wanted = {str(target["platform"]): f"For {target['platform']}, number 1" for target in TARGETS}
    assert (texts_of(video), texts_of(done)) == (wanted, wanted)
    assert {post["status"] for post in done["posts"]} == {"published"}
    assert len(chat.asked) == 1
    # 1,000 tokens for $0.25 a million, and 500 for $2.
    assert _read_captions(api) == (requests_before + 1, cost_before + Decimal("0.00125"))


def _read_captions(api: httpx.Client) -> tuple[int, Decimal]:
    days = [day for day in api.get("/usage").json()["days"] if day["model"] == "words-1"]
    return (int(days[0]["captions"]), Decimal(days[0]["cost_usd"])) if days else (0, Decimal())


def test_a_request_that_comes_again_has_the_same_words(api: httpx.Client, chat: ChatServer) -> None:
    body = {"prompt": PROMPT, "captions": "write", "publish": [THREADS]}
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first, second = (api.post("/videos", json=body, headers=key).json() for _ in range(2))

    assert (first["id"], texts_of(first)) == (second["id"], texts_of(second))
    assert len(chat.asked) == 1


def test_a_form_and_a_file_of_the_inbox_have_their_captions_written(
    api: httpx.Client, chat: ChatServer, host: EmbeddedHost
) -> None:
    fields = {"prompt": PROMPT, "captions": "write", "publish[0][platform]": "threads", "publish[0][account_id]": "908"}
    form = api.post("/videos", files={name: (None, value) for name, value in fields.items()})
    assert texts_of(form.json()) == {"threads": "For threads, number 1"}

    name = f"captions-{uuid.uuid4().hex}"
    files = host.data / FILES_FOLDER
    (files / "inbox").mkdir(exist_ok=True)
    dropped = {"prompt": PROMPT, "captions": "write", "publish": [THREADS]}
    (files / "inbox" / f"{name}.json").write_text(json.dumps(dropped))
    result = files / "outbox" / f"{name}.result.json"
    wait_for(result.is_file, what="the answer to a file")
    assert texts_of(json.loads(result.read_text())["video"]) == {"threads": "For threads, number 2"}
    assert len(chat.asked) == 2


def test_rows_of_a_sheet_have_their_captions_written_and_its_dry_run_asks_no_model(
    api: httpx.Client, chat: ChatServer
) -> None:
    rows = [{"prompt": f"{PROMPT} {number}", "captions": "write", "publish": [THREADS]} for number in (1, 2)]
    checked = api.post("/batches", params={"dry_run": "true"}, json={"rows": [*rows, {"prompt": PROMPT}]}).json()
    assert (checked["accepted"], checked["captions"], chat.asked) == (3, 2, [])

    sheet = f"prompt,captions,publish.threads.account_id\n{PROMPT} 1,write,908\n{PROMPT} 2,,908\n".encode()
    place = api.post("/uploads", json={"content_type": "text/csv", "size_bytes": len(sheet)}).json()
    httpx.put(place["url"], content=sheet, headers=place["headers"]).raise_for_status()
    batch = api.post("/batches", json={"file": place["id"]}).json()

    def list_videos() -> list[dict[str, Any]] | None:
        query = {"batch_id": batch["id"], "include": "posts", "order": "asc"}
        found: list[dict[str, Any]] = api.get("/videos", params=query).json()["data"]
        return found if len(found) == 2 else None

    videos = wait_for(list_videos, what="the videos of the sheet")
    assert sorted(texts_of(video)["threads"] for video in videos) == [f"{PROMPT} 2", "For threads, number 1"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: JSONResponse({"error": {"message": "sk-words is wrong"}}, status_code=401), "answered 401"),
        (lambda: JSONResponse({}, status_code=402), "answered 402"),
        (lambda: PlainTextResponse("<html>", status_code=200), "the answer has no text for it"),
        (lambda: say(json.dumps({"threads": {"text": "Buy at https://evil.example"}})), "a link or a mention"),
    ],
    ids=["key", "money", "garbage", "link"],
)
def test_whatever_the_server_does_the_request_goes_on(
    api: httpx.Client, chat: ChatServer, answer: Callable[[], Response], reason: str
) -> None:
    chat.answer = answer

    video = create(api, THREADS)

    assert texts_of(video) == {"threads": PROMPT}
    (warning,) = [each for each in video["warnings"] if each.startswith("captions:")]
    assert reason in warning
    assert "sk-words" not in json.dumps(video)


def test_the_command_line_has_captions_written_and_its_dry_run_says_that_it_does_not(
    host: EmbeddedHost, chat: ChatServer
) -> None:
    words = ("generate", PROMPT, "--publish", "threads:908", "--captions", "write", "--max-cost", "0.50")
    where = ("--data", str(host.data))

    estimate = run_script(host.folder, *words, "--dry-run", *where)
    assert (estimate.returncode, chat.asked) == (0, [])
    assert "captions: no model was asked" in estimate.stdout

    made = run_script(host.folder, *words, "--no-wait", "--json", *where)
    assert texts_of(json.loads(made.stdout)) == {"threads": "For threads, number 1"}


def test_a_host_killed_while_the_model_writes_has_no_video_and_asks_the_next_try_to_wait(
    host: EmbeddedHost, chat: ChatServer
) -> None:
    def die() -> Response:
        host.kill()
        return say("{}")

    chat.answer = die
    prompt, key = f"{PROMPT} {uuid.uuid4().hex}", {"Idempotency-Key": uuid.uuid4().hex}
    body = {"prompt": prompt, "captions": "write", "publish": [THREADS]}
    with host.client() as api, pytest.raises(httpx.RequestError):
        api.post("/videos", json=body, headers=key)

    host.start()

    with host.client() as api:
        again = api.post("/videos", json=body, headers=key)
        assert (again.status_code, int(again.headers["retry-after"]) in range(1, 31)) == (409, True)
        assert api.get("/videos", params={"prompt": prompt}).json()["data"] == []
    assert len(chat.asked) == 1
