"""Batches on the local cloud: rows from a request, an upload or the inbox become videos, and the results say which."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from mediaposter.stores.batches import BatchStage
from sandbox.blotato import ACCOUNTS
from tests.integration.stack import DeployedStack, new_prompt, target, wait_for
from tests.integration.test_intake import drop, new_name, tell_of, wait_for_answer

Batch = dict[str, Any]

TWITTER = ACCOUNTS["twitter"]
ENDED = {"completed", "failed", "cancelled"}
# How many rows the large batch has, and of how many of them one is wrong.
ROWS = int(os.environ.get("MEDIAPOSTER_BATCH_ROWS", "20"))
BAD_EVERY = 20
# On two cores some videos a second are made; no test waits longer than this for one.
SECONDS_A_ROW = 4.0
PATIENT_WAIT_SCALE = 0.1


def create(stack: DeployedStack, **body: JsonValue) -> Batch:
    """Ask for a batch to be made."""
    answer = stack.ask("POST", "/batches", json=body)
    assert answer.status_code == 200, answer.text
    batch: Batch = answer.json()
    return batch


def retrieve(stack: DeployedStack, batch_id: str) -> Batch:
    """Ask how a batch stands."""
    answer = stack.ask("GET", f"/batches/{batch_id}")
    assert answer.status_code == 200, answer.text
    batch: Batch = answer.json()
    return batch


def follow(
    stack: DeployedStack, batch_id: str, *, timeout_seconds: float = 120.0, look_again_seconds: float = 0.5
) -> Batch:
    """Follow a batch to its end; its minutes pass as fast as those of the machines."""

    too_many = stack.aws("lambda").exceptions.TooManyRequestsException

    def look() -> Batch | None:
        make_due(stack, batch_id)
        with suppress(too_many):  # its schedule comes again, too
            stack.sweep()
        batch = retrieve(stack, batch_id)
        if batch["status"] in ENDED:
            return batch
        time.sleep(look_again_seconds)
        return None

    return wait_for(look, what=f"the end of {batch_id}", timeout_seconds=timeout_seconds)


def make_due(stack: DeployedStack, batch_id: str) -> None:
    """Let the minute pass after which the sweep comes back to a batch whose rows are taken."""
    with suppress(stack.aws("dynamodb").exceptions.ConditionalCheckFailedException):
        stack.aws("dynamodb").update_item(
            TableName=stack.world.stack.table,
            Key={"pk": {"S": f"BATCH#{batch_id}"}, "sk": {"S": "BATCH"}},
            UpdateExpression="SET due_at = :then",
            ConditionExpression="attribute_exists(due) AND NOT stage IN (:reading, :taking)",
            ExpressionAttributeValues={
                ":then": {"S": "2020-01-01T00:00:00.000000+00:00"},
                ":reading": {"S": BatchStage.READING},
                ":taking": {"S": BatchStage.TAKING},
            },
        )


def read_results(stack: DeployedStack, batch: Batch, file_format: str) -> str:
    """Follow the link to the results."""
    answer = httpx.get(
        batch["results"][file_format],
        headers={"Authorization": f"Bearer {stack.world.stack.api_key}"},
        follow_redirects=True,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def read_rows(stack: DeployedStack, batch: Batch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_results(stack, batch, "jsonl").splitlines()]


def test_rows_of_a_request_become_videos_and_the_results_say_which(stack: DeployedStack) -> None:
    prompt = new_prompt("Inline")
    rows: list[JsonValue] = [
        {"id": "first", "prompt": f"{prompt} 1", "publish": [target("twitter")]},
        {"id": "second", "prompt": f"{prompt} 2", "size": "1x1", "model": "house-model"},
        {"prompt": f"{prompt} 3"},
    ]

    batch = create(stack, rows=rows)
    ended = follow(stack, batch["id"])

    assert ended["status"] == "completed"
    counts = ended["request_counts"]
    assert (counts["total"], counts["completed"], counts["failed"], counts["refused"]) == (3, 2, 0, 1)
    first, second, third = read_rows(stack, ended)
    assert [row["status"] for row in (first, second, third)] == ["completed", "refused", "completed"]
    assert first["post_urls"]
    assert (second["id"], second["error"]["param"]) == ("second", "size")
    content = stack.api.get(third["mp4_url"], follow_redirects=True)
    assert content.content[4:8] == b"ftyp"
    assert float(ended["cost_usd"]) > 0
    read = list(csv.DictReader(io.StringIO(read_results(stack, ended, "csv"))))
    assert [row["status"] for row in read] == ["completed", "refused", "completed"]
    assert [row["video_id"] for row in read] == [first["video_id"], "", third["video_id"]]


def test_an_upload_becomes_a_batch_once_for_each_idempotency_key(stack: DeployedStack) -> None:
    prompt = new_prompt("Uploaded")
    content = f"id,prompt,metadata.campaign\na,{prompt} 1,spring\n,{prompt} 2,\n".encode()
    opened = stack.api.post("/uploads", json={"content_type": "text/csv", "size_bytes": len(content)}).json()
    httpx.put(opened["url"], content=content, headers=opened["headers"]).raise_for_status()
    key = {"Idempotency-Key": new_name("key")}

    first, second = (
        stack.api.post("/batches", json={"file": opened["id"]}, headers=key).raise_for_status().json() for _ in range(2)
    )
    ended = follow(stack, first["id"])

    assert first["id"] == second["id"]
    assert [row["status"] for row in read_rows(stack, ended)] == ["completed", "completed"]
    assert [stack.count_accepted(f"{prompt} {number}") for number in (1, 2)] == [1, 1]
    listed = stack.api.get("/batches", params={"limit": 1}).json()
    assert listed["data"][0]["id"] >= first["id"]
    of_batch = stack.api.get("/videos", params={"batch_id": first["id"]}).json()
    assert len(of_batch["data"]) == 2


def test_a_dropped_sheet_is_answered_line_by_line_and_told_of_twice_it_is_one_batch(stack: DeployedStack) -> None:
    name, prompt = new_name("sheet"), new_prompt("Dropped")
    rows = [
        "id,prompt,size,publish.twitter.account_id",
        f"first,{prompt} 1,,{TWITTER.id}",
        "second,,,",
        f'third,"{prompt} 3, in two lines\nof one cell",720x1280,',
        f"first,{prompt} 4,,",
        f"fifth,{prompt} 5,wide,",
    ]
    content = b"\xef\xbb\xbf" + "\r\n".join(rows).encode()

    version_id = drop(stack, f"{name}.csv", content)
    answer = wait_for_answer(stack, name)
    for _ in range(2):
        stack.invoke("IntakeFunction", tell_of(f"inbox/{name}.csv", version_id, bucket=stack.world.stack.bucket))
    follow(stack, answer["batch"]["id"])

    assert answer["request"] == {"key": f"inbox/{name}.csv", "version_id": version_id}
    assert (answer["error"], answer["batch"]["refused"]) == (None, 3)
    told = [(row["row"], row["line"], row["row_id"], row["error"] and row["error"]["param"]) for row in answer["rows"]]
    assert told == [
        (1, 2, "first", None),
        (2, 3, "second", "prompt"),
        (3, 4, "third", None),
        (4, 6, "first", "id"),
        (5, 7, "fifth", "size"),
    ]
    s3, bucket = stack.aws("s3"), stack.world.stack.bucket
    results = s3.get_object(Bucket=bucket, Key=f"outbox/{name}.results.jsonl")["Body"].read().splitlines()
    assert [json.loads(row)["status"] for row in results] == ["completed", "refused", "completed", "refused", "refused"]
    assert stack.count_accepted(f"{prompt} 1") == 1
    assert len(stack.list_posts(f"{prompt} 1")) == 1
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"outbox/{name}")["Contents"]
    assert len(listed) == 3


@pytest.mark.parametrize(
    ("end", "content", "code"),
    [
        (".csv", b"PK\x03\x04" + bytes(60), "unsupported_file"),
        (".csv", b"prompt\n" + b"\n" * (100 * 1024**2), "too_many_rows"),
    ],
    ids=["zip", "100 MiB of nothing"],
)
def test_what_is_wrong_with_a_whole_file_is_said_beside_it(
    stack: DeployedStack, end: str, content: bytes, code: str
) -> None:
    name = new_name("wrong")

    drop(stack, f"{name}{end}", content)
    answer = wait_for_answer(stack, name)

    assert (answer["error"]["code"], answer["rows"]) == (code, [])
    # The result is written first: a reader of it may still see the record before its end.
    wait_for(lambda: retrieve(stack, answer["batch"]["id"])["status"] == "failed", what="the end of the batch")


def test_a_cancelled_batch_lets_what_runs_go_on_until_that_is_stopped_too(stack: DeployedStack) -> None:
    prompt = new_prompt("Cancelled")
    stack.play_on_videos(prompt, "create", {"type": "never_finish"})
    batch = create(stack, rows=[{"prompt": f"{prompt} {number}"} for number in range(3)])
    counts = wait_for(
        lambda: found if (found := retrieve(stack, batch["id"])["request_counts"])["in_progress"] == 3 else None,
        what="three videos that are rendered",
    )

    first = stack.api.post(f"/batches/{batch['id']}/cancel").raise_for_status().json()
    make_due(stack, batch["id"])
    stack.sweep()
    still = retrieve(stack, batch["id"])
    stack.api.post(f"/batches/{batch['id']}/cancel", json={"running": True}).raise_for_status()
    ended = follow(stack, batch["id"])

    assert (counts["queued"], first["status"], still["status"]) == (0, "cancelling", "cancelling")
    assert still["request_counts"]["in_progress"] == 3
    assert (ended["status"], ended["request_counts"]["failed"]) == ("cancelled", 3)
    assert {row["error"]["code"] for row in read_rows(stack, ended)} == {"cancelled"}
    assert stack.api.post(f"/batches/{batch['id']}/cancel").json()["status"] == "cancelled"


def test_rows_of_a_batch_that_is_cancelled_at_once_are_not_taken(stack: DeployedStack) -> None:
    prompt = new_prompt("Stopped")
    batch = create(stack, rows=[{"prompt": f"{prompt} {number}"} for number in range(60)])

    stack.api.post(f"/batches/{batch['id']}/cancel", json={"running": True}).raise_for_status()
    ended = follow(stack, batch["id"])

    rows = read_rows(stack, ended)
    assert (ended["status"], len(rows)) == ("cancelled", 60)
    codes = [row["error"]["code"] for row in rows if row["status"] in {"refused", "failed"}]
    assert codes
    assert set(codes) == {"cancelled"}


def test_a_large_batch_with_bad_rows_is_done_but_for_those(
    stack: DeployedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = new_prompt("Large")
    bad = set(range(BAD_EVERY, ROWS + 1, BAD_EVERY))
    rows: list[JsonValue] = [
        {"id": f"row-{number}", "prompt": "" if number in bad else f"{prompt} {number}"}
        for number in range(1, ROWS + 1)
    ]
    began = time.monotonic()

    # Eight functions at once are soon all at work, and MiniStack does not name a throttled call as Lambda does: to a
    # machine it is a fault, and it needs some time to outlast it.
    with stack.waiting(PATIENT_WAIT_SCALE):
        batch = create(stack, rows=rows)
        ended = follow(stack, batch["id"], timeout_seconds=60 + SECONDS_A_ROW * ROWS, look_again_seconds=4)

    with capsys.disabled():
        sys.stdout.write(f"\n{ROWS} rows, {len(bad)} of them bad: {time.monotonic() - began:.0f} s\n")
    results = read_rows(stack, ended)
    assert [row["row"] for row in results] == list(range(1, ROWS + 1))
    assert {row["row"] for row in results if row["status"] == "refused"} == bad
    assert {row["status"] for row in results if row["row"] not in bad} == {"completed"}
    assert len({row["video_id"] for row in results if row["video_id"]}) == ROWS - len(bad)
    counts = ended["request_counts"]
    assert (counts["total"], counts["completed"], counts["refused"]) == (ROWS, ROWS - len(bad), len(bad))
    accepted = [call.prompt for call in stack.list_calls("sora") if call.prompt and call.prompt.startswith(prompt)]
    assert len(accepted) == ROWS - len(bad)
