"""Files that are dropped into the inbox become videos, and are answered in the outbox."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from PIL import Image
from pydantic import JsonValue

from sandbox.blotato import ACCOUNTS
from tests.conformance.stack import Stack, list_states
from tests.conformance.test_batches import follow
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both

TWITTER = ACCOUNTS["twitter"]


def new_name(what: str = "request") -> str:
    """Make a name in the inbox that no other test has."""
    return f"{what}-{uuid.uuid4().hex}"


def drop(stack: Stack, name: str, content: bytes) -> None:
    stack.drop(f"inbox/{name}", content)


def write(prompt: str, **fields: JsonValue) -> bytes:
    return json.dumps({"prompt": prompt, **fields}, ensure_ascii=False).encode()


def wait_for_answer(stack: Stack, name: str) -> dict[str, Any]:
    content = wait_for(lambda: stack.read_file(f"outbox/{name}.result.json"), what=f"an answer to {name}")
    answer: dict[str, Any] = json.loads(content)
    return answer


def test_a_dropped_request_becomes_a_video_that_is_posted(stack: Stack) -> None:
    name, prompt = new_name(), new_prompt("Dropped")

    drop(stack, f"{name}.json", write(prompt, publish=[target("twitter")]))
    answer = wait_for_answer(stack, name)

    assert (answer["error"], answer["request"]["key"]) == (None, f"inbox/{name}.json")
    video = stack.follow(answer["video"]["id"])
    assert (video["status"], video["prompt"], list_states(video)) == ("completed", prompt, {"twitter": "published"})


@pytest.mark.parametrize("name", ["Drachen über dem Meer 🪁", "in/a folder/100%25+1 & more"], ids=["words", "signs"])
def test_a_file_may_have_any_name(stack: Stack, name: str) -> None:
    name = new_name(name)

    drop(stack, f"{name}.json", write(new_prompt("Named"), size="1x1"))

    assert wait_for_answer(stack, name)["error"]["param"] == "size"


@pytest.mark.parametrize("is_picture_first", [True, False], ids=["picture first", "request first"])
def test_a_request_and_its_picture_are_one_video_whichever_comes_last(stack: Stack, is_picture_first: bool) -> None:
    name, prompt, drawn = new_name(), new_prompt("Pictured"), io.BytesIO()
    Image.new("RGB", (720, 1280), "red").save(drawn, "PNG")
    files = [(f"{name}.png", drawn.getvalue()), (f"{name}.json", write(prompt, input_reference="inbox"))]

    for file_name, content in files if is_picture_first else reversed(files):
        drop(stack, file_name, content)
    video_id = wait_for_answer(stack, name)["video"]["id"]

    assert stack.follow(video_id)["error"] is None
    assert stack.count_jobs(prompt) == 1


@pytest.mark.parametrize(
    ("end", "content", "code", "param"),
    [
        (".json", b"{", "invalid_json", None),
        (".json", b'{"prompt": "A kite", "size": "1x1"}', "invalid_value", "size"),
        (".JSON", b'{"prompt": "A kite"}', "unsupported_file", None),
    ],
    ids=["no JSON", "a bad value", "another suffix"],
)
def test_what_is_wrong_with_a_file_is_said_beside_it(
    stack: Stack, end: str, content: bytes, code: str, param: str | None
) -> None:
    name = new_name("wrong")

    drop(stack, f"{name}{end}", content)
    answer = wait_for_answer(stack, name if end == ".json" else f"{name}{end}")

    assert answer["video"] is None
    error = answer["error"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_what_lies_elsewhere_in_the_bucket_is_not_taken(stack: Stack) -> None:
    name, prompt, after = new_name(), new_prompt("Elsewhere"), new_name("after")
    for folder in ("outbox", "inbox-2", "drafts/inbox"):
        stack.drop(f"{folder}/{name}.json", write(prompt))

    drop(stack, f"{after}.json", b"{")
    wait_for_answer(stack, after)

    assert not any(".result" in key for key in stack.list_files(f"outbox/{name}"))
    assert stack.count_jobs(prompt) == 0


def test_a_dropped_sheet_is_answered_line_by_line(stack: Stack) -> None:
    name, prompt = new_name("sheet"), new_prompt("Sheet")
    rows = [
        "id,prompt,size,publish.twitter.account_id",
        f"first,{prompt} 1,,{TWITTER.id}",
        "second,,,",
        f'third,"{prompt} 3, in two lines\nof one cell",720x1280,',
        f"first,{prompt} 4,,",
        f"fifth,{prompt} 5,wide,",
    ]

    drop(stack, f"{name}.csv", b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    answer = wait_for_answer(stack, name)
    follow(stack, answer["batch"]["id"])

    assert (answer["error"], answer["batch"]["refused"]) == (None, 3)
    told = [(row["row"], row["line"], row["row_id"], row["error"] and row["error"]["param"]) for row in answer["rows"]]
    assert told == [
        (1, 2, "first", None),
        (2, 3, "second", "prompt"),
        (3, 4, "third", None),
        (4, 6, "first", "id"),
        (5, 7, "fifth", "size"),
    ]
    content = wait_for(lambda: stack.read_file(f"outbox/{name}.results.jsonl"), what="the results")
    statuses = [json.loads(row)["status"] for row in content.splitlines()]
    assert statuses == ["completed", "refused", "completed", "refused", "refused"]
    assert len(stack.list_posts(f"{prompt} 1")) == 1
