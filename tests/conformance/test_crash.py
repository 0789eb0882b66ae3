"""A host that is killed while a person decides, or while a batch is made, goes on where it was.

test_kills.py kills it at every kind of call; killed Lambdas are in tests/integration.
"""

from __future__ import annotations

from tests.conformance.stack import Embedded, list_states
from tests.conformance.test_batches import follow, read_rows
from tests.integration.stack import new_prompt, wait_for


def test_what_waits_for_an_approval_is_posted_once_after_a_crash(embedded: Embedded) -> None:
    prompt = new_prompt("May I, still")
    video_id = embedded.submit(prompt, "instagram", approval="required")["id"]
    wait_for(lambda: embedded.retrieve(video_id)["stage"] == "awaiting_approval", what="the question")

    embedded.crash()
    embedded.ask("POST", f"/videos/{video_id}/approval", {"decision": "approve"})

    assert list_states(embedded.follow(video_id)) == {"instagram": "published"}
    assert (embedded.count_jobs(prompt), len(embedded.list_posts(prompt))) == (1, 1)


def test_a_batch_that_is_taken_in_a_crash_is_made_once_row_by_row(embedded: Embedded) -> None:
    prompt = new_prompt("Row")
    prompts = [f"{prompt} {number}" for number in range(3)]
    batch = embedded.ask("POST", "/batches", {"rows": [{"prompt": text} for text in prompts]})

    embedded.crash()
    ended = follow(embedded, batch["id"])

    assert [row["status"] for row in read_rows(embedded, ended)] == ["completed"] * 3
    assert [embedded.count_jobs(text) for text in prompts] == [1, 1, 1]
