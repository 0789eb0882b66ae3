"""Batches: rows from a request or an upload become videos, and the results say which."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pytest
from pydantic import JsonValue

from tests.conformance.stack import Stack, expect, read_error
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both

Batch = dict[str, Any]


def retrieve(stack: Stack, batch_id: str) -> Batch:
    batch: Batch = stack.ask("GET", f"/batches/{batch_id}")
    return batch


def follow(stack: Stack, batch_id: str) -> Batch:
    """Follow a batch to its end; its minutes pass as fast as those of the machines."""

    def look() -> Batch | None:
        stack.make_batch_due(batch_id)
        stack.sweep()
        batch = retrieve(stack, batch_id)
        return batch if batch["status"] in {"completed", "failed", "cancelled"} else None

    return wait_for(look, what=f"the end of {batch_id}", timeout_seconds=180)


def read_results(stack: Stack, batch: Batch, file_format: str) -> str:
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    answer = httpx.get(batch["results"][file_format], headers=headers, follow_redirects=True, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text


def read_rows(stack: Stack, batch: Batch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read_results(stack, batch, "jsonl").splitlines()]


def upload(stack: Stack, content: bytes, content_type: str) -> str:
    body: JsonValue = {"content_type": content_type, "size_bytes": len(content)}
    opened = stack.ask("POST", "/uploads", body)
    httpx.put(opened["url"], content=content, headers=opened["headers"]).raise_for_status()
    return str(opened["id"])


def test_rows_of_a_request_become_videos_and_the_results_say_which(stack: Stack) -> None:
    prompt = new_prompt("Inline")
    rows: list[JsonValue] = [
        {"id": "first", "prompt": f"{prompt} 1", "publish": [target("twitter")]},
        {"id": "second", "prompt": f"{prompt} 2", "size": "1x1"},
        {"prompt": f"{prompt} 3"},
    ]

    ended = follow(stack, stack.ask("POST", "/batches", {"rows": rows})["id"])

    counts = ended["request_counts"]
    assert ended["status"] == "completed"
    assert (counts["total"], counts["completed"], counts["failed"], counts["refused"]) == (3, 2, 0, 1)
    first, second, third = read_rows(stack, ended)
    assert [row["status"] for row in (first, second, third)] == ["completed", "refused", "completed"]
    assert first["post_urls"]
    assert (second["id"], second["error"]["param"]) == ("second", "size")
    assert stack.api.get(third["mp4_url"], follow_redirects=True).content[4:8] == b"ftyp"
    assert float(ended["cost_usd"]) > 0
    read = list(csv.DictReader(io.StringIO(read_results(stack, ended, "csv"))))
    assert [row["video_id"] for row in read] == [first["video_id"], "", third["video_id"]]
    assert len(stack.list_posts(f"{prompt} 1")) == 1


def test_the_columns_of_a_sheet_fill_one_template_and_a_row_without_one_is_refused(stack: Stack) -> None:
    prompt = new_prompt("Templated")
    sheet = f"id,product,place\na,{prompt},{{Mars}}\nb,boat,\n"
    templates = {"template": "A {product} on {place}", "text_template": "{{new}} {id}"}
    body: JsonValue = {"file": upload(stack, sheet.encode(), "text/csv"), **templates}

    checked = stack.ask("POST", "/batches?dry_run=true", body)
    ended = follow(stack, stack.ask("POST", "/batches", body)["id"])

    assert (checked["accepted"], [(error["row"], error["param"]) for error in checked["errors"]]) == (1, [(2, "place")])
    good, bad = read_rows(stack, ended)
    assert (good["status"], bad["status"], bad["error"]["param"]) == ("completed", "refused", "place")
    assert stack.ask("GET", f"/videos/{good['video_id']}")["prompt"] == f"A {prompt} on {{Mars}}"
    broken = stack.api.post("/batches", json={"rows": [{"product": "kite"}], "template": "A {product.name}"})
    assert (broken.status_code, read_error(broken)[1]) == (400, "template")


@pytest.mark.both(always=True)
def test_an_upload_becomes_a_batch_once_for_each_idempotency_key(stack: Stack) -> None:
    prompt = new_prompt("Uploaded")
    make_of_upload(stack, prompt, f"id,prompt,size,metadata.campaign\na,{prompt} 1,,spring\nb,,,\n", "text/csv")


def test_an_upload_may_be_lines_of_json(stack: Stack) -> None:
    prompt = new_prompt("Lines")
    text = f'{{"id": "a", "prompt": "{prompt} 1", "metadata": {{"campaign": "spring"}}}}\n{{"id": "b"}}\n'
    make_of_upload(stack, prompt, text, "application/jsonl")


def make_of_upload(stack: Stack, prompt: str, text: str, content_type: str) -> None:
    """Ask twice for the batch of an upload with a right row and a wrong one."""
    body, key = {"file": upload(stack, text.encode(), content_type)}, {"Idempotency-Key": new_prompt("key")}

    first, second = (expect(200, stack.api.post("/batches", json=body, headers=key)) for _ in range(2))
    ended = follow(stack, first["id"])

    assert first["id"] == second["id"]
    good, bad = read_rows(stack, ended)
    assert (good["status"], bad["status"], bad["id"], bad["error"]["param"]) == ("completed", "refused", "b", "prompt")
    assert stack.count_jobs(f"{prompt} 1") == 1
    [video] = stack.api.get("/videos", params={"batch_id": first["id"]}).json()["data"]
    assert (video["id"], video["metadata"]) == (good["video_id"], {"campaign": "spring"})


def test_a_file_that_is_no_sheet_fails_the_batch(stack: Stack) -> None:
    file_id = upload(stack, b"PK\x03\x04" + bytes(60), "text/csv")

    ended = follow(stack, stack.ask("POST", "/batches", {"file": file_id})["id"])

    assert (ended["status"], ended["error"]["code"]) == ("failed", "unsupported_file")


@pytest.mark.both(always=True)
def test_a_cancelled_batch_lets_what_runs_go_on_until_that_is_stopped_too(stack: Stack) -> None:
    prompt = new_prompt("Cancelled")
    stack.play_on("sora", prompt, "create", {"type": "never_finish"})
    rows: list[JsonValue] = [{"prompt": f"{prompt} {number}"} for number in range(2)]
    batch = stack.ask("POST", "/batches", {"rows": rows})
    wait_for(
        lambda: retrieve(stack, batch["id"])["request_counts"]["in_progress"] == 2, what="two videos that are rendered"
    )

    first = stack.ask("POST", f"/batches/{batch['id']}/cancel")
    still = retrieve(stack, batch["id"])
    stack.ask("POST", f"/batches/{batch['id']}/cancel", {"running": True})
    ended = follow(stack, batch["id"])

    assert (first["status"], still["status"], still["request_counts"]["in_progress"]) == ("cancelling", "cancelling", 2)
    assert (ended["status"], ended["request_counts"]["failed"]) == ("cancelled", 2)
    assert {row["error"]["code"] for row in read_rows(stack, ended)} == {"cancelled"}
    assert stack.ask("POST", f"/batches/{batch['id']}/cancel")["status"] == "cancelled"


def test_rows_of_a_batch_that_is_cancelled_at_once_are_not_taken(stack: Stack) -> None:
    prompt = new_prompt("Stopped")
    rows: list[JsonValue] = [{"prompt": f"{prompt} {number}"} for number in range(60)]
    batch = stack.ask("POST", "/batches", {"rows": rows})

    stack.ask("POST", f"/batches/{batch['id']}/cancel", {"running": True})
    ended = follow(stack, batch["id"])

    found = read_rows(stack, ended)
    codes = [row["error"]["code"] for row in found if row["status"] in {"refused", "failed"}]
    assert (ended["status"], len(found)) == ("cancelled", 60)
    assert codes
    assert set(codes) == {"cancelled"}
