"""A sheet with far more rows than the provider renders at once; a small batch and single videos come midway."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import VideoObject
from tests.integration.batches import Batch, create, follow, read_rows
from tests.integration.conftest import SLOTS
from tests.integration.stack import DONE_TIMEOUT_SECONDS, DeployedStack, new_prompt, wait_for
from tests.integration.test_intake import drop, new_name, wait_for_answer

# The claim is made with MEDIAPOSTER_SHEET_ROWS=500, of which 83 are wrong.
ROWS = int(os.environ.get("MEDIAPOSTER_SHEET_ROWS", "6"))
BAD_EVERY = 6
SMALL_ROWS = 2 + ROWS // 20
SINGLES = 1
MODEL = "sandbox-1"
VIDEOS = ROWS - ROWS // BAD_EVERY + SMALL_ROWS + SINGLES
# On two cores some videos a second come through.
SECONDS_A_ROW = 4.0
# To a machine MiniStack's throttle is a fault, and of those a video outlasts six: the waits between must last.
WAIT_SCALE = 0.4


class Outcome(BaseModel):
    """What came of it all, and how long it took.

    Attributes:
        kinds: in the order in which the provider took their jobs, whether each was `large`, `small` or `single`.
    """

    model_config = ConfigDict(frozen=True)

    answer: dict[str, Any]
    large: Batch
    large_rows: list[dict[str, Any]]
    small_rows: list[dict[str, Any]]
    singles: list[VideoObject]
    kinds: list[str]
    wall_seconds: float


@pytest.fixture(scope="module")
def full(stack: DeployedStack) -> Iterator[DeployedStack]:
    """Give a stack whose provider takes a few at once, and has been asked for nothing yet."""
    stack.outside.post(f"{stack.world.providers['sora'].control_url}/reset").raise_for_status()
    with stack.waiting(WAIT_SCALE):
        yield stack


@pytest.fixture(scope="module")
def outcome(full: DeployedStack) -> Outcome:
    """Drop the sheet; when it has all slots, send the others; when they wait, let the provider go on; follow all."""
    name, prompt = new_name("sheet"), new_prompt("Full")
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet)
    writer.writerow(("id", "model", "prompt"))
    writer.writerows(
        (f"row-{row}", MODEL, "" if row % BAD_EVERY == 0 else f"{prompt} large {row}") for row in range(1, ROWS + 1)
    )
    began = time.monotonic()
    patience_seconds = DONE_TIMEOUT_SECONDS + SECONDS_A_ROW * ROWS
    full.play_on_videos(f"{prompt} large", "retrieve", {"type": "status", "status": "in_progress"})

    drop(full, f"{name}.csv", sheet.getvalue().encode())
    answer = wait_for_answer(full, name)
    wait_for(lambda: read_slots(full) == (SLOTS, ROWS - ROWS // BAD_EVERY - SLOTS), what="a sheet that waits")
    small = create(full, rows=[{"model": MODEL, "prompt": f"{prompt} small {row}"} for row in range(SMALL_ROWS)])
    singles = [full.submit(f"{prompt} single {number}", model=MODEL) for number in range(SINGLES)]
    wait_for(lambda: read_slots(full) == (SLOTS, VIDEOS - SLOTS), what="all others that wait")
    full.outside.delete(f"{full.world.providers['sora'].control_url}/faults").raise_for_status()
    ended_singles = [full.follow(video.id, timeout_seconds=patience_seconds) for video in singles]
    ended_small = follow(full, small["id"], timeout_seconds=patience_seconds, look_again_seconds=2)
    ended_large = follow(full, answer["batch"]["id"], timeout_seconds=patience_seconds, look_again_seconds=2)
    taken = [call.prompt for call in full.list_calls("sora") if call.method == "POST" and call.job_id is not None]
    return Outcome(
        answer=answer,
        large=ended_large,
        large_rows=read_rows(full, ended_large),
        small_rows=read_rows(full, ended_small),
        singles=ended_singles,
        kinds=[text.removeprefix(prompt).split()[0] for text in taken if text is not None],
        wall_seconds=time.monotonic() - began,
    )


def read_slots(full: DeployedStack) -> tuple[int, int]:
    """Tell how many videos have a slot of the provider, and how many wait for one."""
    key = {"pk": {"S": "SLOTS#sandbox"}, "sk": {"S": "SLOTS"}}
    item = full.aws("dynamodb").get_item(TableName=full.world.stack.table, Key=key, ConsistentRead=True).get("Item", {})
    return int(item.get("in_flight", {}).get("N", 0)), int(item.get("waiting", {}).get("N", 0))


def test_all_are_made_but_the_rows_that_are_wrong(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    bad = set(range(BAD_EVERY, ROWS + 1, BAD_EVERY))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{ROWS} rows, {len(bad)} of them bad, {SMALL_ROWS} more and {SINGLES} single videos over {SLOTS} slots: "
            f"{outcome.wall_seconds:.0f} s\n"
        )

    assert {row["row"] for row in outcome.large_rows if row["status"] == "refused"} == bad
    assert [row["error"] for row in (*outcome.large_rows, *outcome.small_rows) if row["status"] == "failed"] == []
    assert [row["status"] for row in outcome.large_rows].count("completed") == ROWS - len(bad)
    assert {row["status"] for row in outcome.small_rows} == {"completed"}
    assert {video.status for video in outcome.singles} == {VideoStatus.COMPLETED}
    assert outcome.large["request_counts"]["completed"] == ROWS - len(bad)


def test_the_answer_beside_the_sheet_names_each_row(outcome: Outcome) -> None:
    rows = outcome.answer["rows"]

    assert [row["row_id"] for row in rows] == [f"row-{row}" for row in range(1, ROWS + 1)]
    assert {row["row"] for row in rows if row["error"]} == set(range(BAD_EVERY, ROWS + 1, BAD_EVERY))
    assert {row["error"]["param"] for row in rows if row["error"]} == {"prompt"}


def test_the_results_are_right(full: DeployedStack, outcome: Outcome) -> None:
    rows = [row for row in outcome.large_rows if row["status"] == "completed"]
    read = full.api.get(outcome.large["results"]["csv"], follow_redirects=True)
    table = list(csv.DictReader(io.StringIO(read.text)))

    assert len({row["video_id"] for row in rows}) == len(rows)
    assert [row["video_id"] for row in table if row["status"] == "completed"] == [row["video_id"] for row in rows]
    content = full.api.get(rows[-1]["mp4_url"], follow_redirects=True).content
    assert content[4:8] == b"ftyp"


def test_the_provider_was_never_asked_for_more_at_once(full: DeployedStack, outcome: Outcome) -> None:
    assert outcome.large_rows
    # The stand-in of the sandbox's own models is the video server's.
    seen = json.loads(full.outside.get(f"{full.world.providers['sora'].control_url}/calls").content)

    assert SLOTS / 2 < seen["most_in_flight"] <= SLOTS
    assert seen["creates_accepted"] == VIDEOS


def test_no_slot_is_left_taken(full: DeployedStack, outcome: Outcome) -> None:
    assert outcome.large_rows
    assert read_slots(full) == (0, 0)


def test_what_came_midway_was_not_starved(outcome: Outcome) -> None:
    """Most of the sheet waited when the others came; they were made in turn with it, and single videos first."""
    waited = outcome.kinds[SLOTS:]

    assert outcome.kinds[:SLOTS] == ["large"] * SLOTS
    # Up to as many as there are slots may be let through at once, and reach the provider in any order.
    assert _find_last(waited, "single") < SINGLES + SLOTS
    # While the small batch waits, each of its rows lets one of the sheet pass.
    assert _find_last(waited, "small") < SINGLES + 2 * SMALL_ROWS + SLOTS


def _find_last(kinds: list[str], kind: str) -> int:
    return max(place for place, found in enumerate(kinds) if found == kind)
