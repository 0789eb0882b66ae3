"""Captions that a model writes when a request is taken, by a model on a server of its own."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox.blotato import ACCOUNTS
from tests.conformance.chat_server import ChatServer, say
from tests.conformance.stack import Embedded, Video
from tests.integration.stack import target, wait_for

PROMPT = "A paper boat on a rainy street"
NETWORKS = sorted(ACCOUNTS)
THREADS = target("threads")


@pytest.fixture
def chat(chat_server: ChatServer) -> ChatServer:
    """Give the server as it answers at first."""
    chat_server.asked.clear()
    chat_server.answer = None
    return chat_server


@pytest.fixture
def api(embedded: Embedded) -> httpx.Client:
    return embedded.api


def texts_of(video: Video) -> dict[str, str]:
    return {post["platform"]: post["text"] for post in video["posts"]}


def test_nine_networks_are_posted_to_with_the_words_of_one_call(embedded: Embedded, chat: ChatServer) -> None:
    requests_before, cost_before = _read_captions(embedded.api)

    video = embedded.submit(PROMPT, *NETWORKS, captions="write")
    done = embedded.follow(video["id"])

    wanted = {network: f"For {network}, number 1" for network in NETWORKS}
    assert (texts_of(video), texts_of(done)) == (wanted, wanted)
    assert {post["status"] for post in done["posts"]} == {"published"}
    assert len(chat.asked) == 1
    # 1,000 tokens for $0.25 a million, and 500 for $2.
    assert _read_captions(embedded.api) == (requests_before + 1, cost_before + Decimal("0.00125"))


def _read_captions(api: httpx.Client) -> tuple[int, Decimal]:
    days = [day for day in api.get("/usage").json()["days"] if day["model"] == "words-1"]
    return (int(days[0]["captions"]), Decimal(days[0]["cost_usd"])) if days else (0, Decimal())


def test_a_request_that_comes_again_has_the_same_words(api: httpx.Client, chat: ChatServer) -> None:
    body = {"prompt": PROMPT, "captions": "write", "publish": [THREADS]}
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first, second = (api.post("/videos", json=body, headers=key).json() for _ in range(2))

    assert (first["id"], texts_of(first)) == (second["id"], texts_of(second))
    assert len(chat.asked) == 1


def test_a_form_and_a_file_of_the_inbox_have_their_captions_written(embedded: Embedded, chat: ChatServer) -> None:
    account = {"publish[0][platform]": "threads", "publish[0][account_id]": ACCOUNTS["threads"].id}
    fields = {"prompt": PROMPT, "captions": "write", **account}
    form = embedded.api.post("/videos", files={name: (None, value) for name, value in fields.items()})
    assert texts_of(form.json()) == {"threads": "For threads, number 1"}

    name = f"captions-{uuid.uuid4().hex}"
    dropped = {"prompt": PROMPT, "captions": "write", "publish": [THREADS]}
    embedded.drop(f"inbox/{name}.json", json.dumps(dropped).encode())
    answer = wait_for(lambda: embedded.read_file(f"outbox/{name}.result.json"), what="the answer to a file")
    assert texts_of(json.loads(answer)["video"]) == {"threads": "For threads, number 2"}
    assert len(chat.asked) == 2


def test_rows_of_a_sheet_have_their_captions_written_and_its_dry_run_asks_no_model(
    api: httpx.Client, chat: ChatServer
) -> None:
    rows = [{"prompt": f"{PROMPT} {number}", "captions": "write", "publish": [THREADS]} for number in (1, 2)]
    checked = api.post("/batches", params={"dry_run": "true"}, json={"rows": [*rows, {"prompt": PROMPT}]}).json()
    assert (checked["accepted"], checked["captions"], chat.asked) == (3, 2, [])

    account = ACCOUNTS["threads"].id
    rows_of_sheet = f"{PROMPT} 1,write,{account}\n{PROMPT} 2,,{account}\n"
    sheet = f"prompt,captions,publish.threads.account_id\n{rows_of_sheet}".encode()
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
    embedded: Embedded, chat: ChatServer, answer: Callable[[], Response], reason: str
) -> None:
    chat.answer = answer

    video = embedded.submit(PROMPT, "threads", captions="write")

    assert texts_of(video) == {"threads": PROMPT}
    (warning,) = [each for each in video["warnings"] if each.startswith("captions:")]
    assert reason in warning
    assert "sk-words" not in json.dumps(video)


def test_the_command_line_has_captions_written_and_its_dry_run_says_that_it_does_not(
    embedded: Embedded, chat: ChatServer
) -> None:
    account = f"threads:{ACCOUNTS['threads'].id}"
    words = ("generate", PROMPT, "--publish", account, "--captions", "write", "--max-cost", "1.00")

    assert "captions: no model was asked" in embedded.run(*words, "--dry-run")
    assert chat.asked == []

    made = embedded.run(*words, "--no-wait", "--json")
    assert texts_of(json.loads(made)) == {"threads": "For threads, number 1"}


def test_a_host_killed_while_the_model_writes_has_no_video_and_asks_the_next_try_to_wait(
    embedded: Embedded, chat: ChatServer
) -> None:
    def die() -> Response:
        embedded.process.kill()
        return say("{}")

    chat.answer = die
    prompt, key = f"{PROMPT} {uuid.uuid4().hex}", {"Idempotency-Key": uuid.uuid4().hex}
    body = {"prompt": prompt, "captions": "write", "publish": [THREADS]}
    with pytest.raises(httpx.RequestError):
        embedded.api.post("/videos", json=body, headers=key)

    embedded.process.start()

    again = embedded.api.post("/videos", json=body, headers=key)
    assert (again.status_code, int(again.headers["retry-after"]) in range(1, 31)) == (409, True)
    assert embedded.api.get("/videos", params={"prompt": prompt}).json()["data"] == []
    assert len(chat.asked) == 1
