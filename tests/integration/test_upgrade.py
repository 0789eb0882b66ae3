"""A stack of the last release is updated while videos are under way: all go on to their ends, once paid, once posted.

`MEDIAPOSTER_UPGRADE=released` runs it, or the commit to begin with in place of `released`. It takes some minutes,
because it builds and deploys both. The stack of the release takes the requests; nothing is asked of it again until
today's template is deployed over it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import JsonValue

from mediaposter.ai.video_model_interface import VideoStatus
from mediaposter.wire.video_object import VideoObject
from sandbox.blotato import ACCOUNTS
from sandbox.cloud import LocalCloud
from sandbox.snapshot import build, deploy, open_stack, read_outputs, tell_base_url, upload
from sandbox.world import World, run_outside
from tests.integration.batches import Batch, create, follow, read_rows, retrieve
from tests.integration.released import check_out, find_released, make_key
from tests.integration.stack import DeployedStack, new_prompt, target, wait_for

BEGINS_WITH = os.environ.get("MEDIAPOSTER_UPGRADE", "")
# As fast as the other integration tests, but while both stand beside each other a second is a second: nothing may use
# up its tries within the deployment.
QUICK, SLOW = 0.1, 1.0
# Of the provider whose videos wait for each other.
SLOTS = 1
# A post in doubt is looked for after 30 and after 120 seconds, and found at the second look.
UNLISTED_SECONDS = 100.0
MOVED_SECONDS = 20.0
# What the sweep comes back to is due by then.
LATER_SECONDS = 900.0
ROWS = 6
# A key with this rate; three of them are for rows. So some are submitted before the update, and some after it.
RATE = 4
PARAMETERS = {
    "ModelAliases": "sora-2=sandbox-1,sora-2-pro=sora-2-pro",
    "ProviderConcurrency": f"sandbox=50,sora={SLOTS}",
    "BlotatoPostsPerMinute": "30000",
    "BlotatoUploadsPerMinute": "10000",
}

pytestmark = pytest.mark.skipif(
    not BEGINS_WITH, reason="run by hand with MEDIAPOSTER_UPGRADE=released: it deploys two templates, some minutes"
)


class Video(NamedTuple):
    """A video that the stack of the release took, and how many posts it has."""

    id: str
    prompt: str
    posts: int


class Outcome(NamedTuple):
    """What came of it all; videos are named by where each stood when the update began.

    Attributes:
        row_prompts: what the rows of the batch asked for.
        repeated: the videos of one request with a name, which was sent again after the update.
        outputs: of the stack, before and after.
    """

    stack: DeployedStack
    videos: dict[str, Video]
    stood: dict[str, str]
    ended: dict[str, VideoObject]
    batch_stood: Batch
    batch: Batch
    rows: list[dict[str, Any]]
    row_prompts: list[str]
    repeated: tuple[str, str]
    outputs: tuple[dict[str, str], dict[str, str]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Deploy the release, bring a video to every stage, update the stack, let go of what is held, and follow all."""
    try:
        commit = find_released() if BEGINS_WITH == "released" else BEGINS_WITH
    except LookupError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("upgrade")
    tree = check_out(commit, directory / "released")
    cloud = LocalCloud(directory / "cloud", wait_scale=QUICK, concurrency=10)
    with run_outside(cloud, render_seconds=0.5, rate_scale=1000) as outside, cloud:
        addresses = {
            "ProviderBaseUrls": ",".join(f"{other.name}={other.base_url}" for other in outside.providers),
            "BlotatoBaseUrl": outside.publisher.base_url,
            "BedrockEndpointUrl": outside.stand_ins["bedrock"].base_url,
        }
        released, today = build(cloud, tree), upload(cloud, build(cloud))
        deploy(cloud, released, {**PARAMETERS, **addresses})
        world = outside.make_world(open_stack(cloud, outside.providers, blotato=outside.publisher), cloud)
        everything = [f"--scope={scope}" for scope in ("read", "create", "publish", "approve")]
        stack, paced = (
            DeployedStack(_use_key(world, make_key(tree, cloud, *everything, *options)), wait_scale=QUICK)
            for options in (("--owner=upgrade",), ("--owner=paced", f"--rate={RATE}"))
        )
        yield _update_under_way(cloud, today, stack, paced)


def _use_key(world: World, key: str) -> World:
    return world.model_copy(update={"stack": world.stack.model_copy(update={"api_key": key})})


def _update_under_way(cloud: LocalCloud, today: Path, stack: DeployedStack, paced: DeployedStack) -> Outcome:
    videos = {"done": _submit(stack, "Done", "threads")}
    stack.follow(videos["done"].id)
    named = _create_named(stack, "upgrade")
    with stack.waiting(SLOW):
        videos |= _bring_to_every_stage(stack)
        row_prompts = [new_prompt(f"Row {row}") for row in range(ROWS)]
        batch_id = create(paced, rows=[{"prompt": prompt} for prompt in row_prompts])["id"]
        wait_for(lambda: _count_rows(retrieve(paced, batch_id)) > 0, what="the first rows")
        stood = {name: _tell_where(stack, video) for name, video in videos.items()}
        batch_stood = retrieve(paced, batch_id)
        outputs = read_outputs(cloud)
        deploy(cloud, today)
        # MiniStack gives an API whose routes change another address. On AWS it keeps its own.
        base_url = tell_base_url(cloud)
        stack, paced = (_open_again(base_url, one) for one in (stack, paced))
        _let_go(stack, videos)
        # To MiniStack a row that waits for its minute is a fault, of which a part outlasts ten.
        wait_for(lambda: _count_rows(retrieve(paced, batch_id)) == ROWS, what="the other rows")
    repeated = (named, _create_named(stack, "upgrade"))
    ended = {name: _follow(stack, video) for name, video in videos.items()}
    batch = follow(paced, batch_id)
    return Outcome(
        stack=stack,
        videos=videos,
        stood=stood,
        ended=ended,
        batch_stood=batch_stood,
        batch=batch,
        rows=read_rows(paced, batch),
        row_prompts=row_prompts,
        repeated=repeated,
        outputs=(outputs, read_outputs(cloud)),
    )


def test_each_stage_was_there_when_the_update_began(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    taken = _count_rows(outcome.batch_stood)
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{name}: {where}" for name, where in outcome.stood.items()))
        sys.stdout.write(f"\nbatch: {taken} of {ROWS} rows taken\n")

    assert outcome.stood == {
        "done": "done published",
        "awaiting approval": "awaiting_approval pending pending",
        "rendering": "rendering pending",
        "storing": "storing pending",
        "scheduled": "done scheduled",
        "queued 1": "queued pending",
        "queued 2": "queued pending",
        "post in doubt": "publishing in_doubt",
        "being posted": "publishing submitted",
        "lost submission": "submitting pending",
    }
    assert 0 < taken < ROWS


def test_all_are_made_and_paid_once(outcome: Outcome) -> None:
    prompts = [*(video.prompt for video in outcome.videos.values()), *outcome.row_prompts]

    assert {name: video.status for name, video in outcome.ended.items()} == dict.fromkeys(
        outcome.videos, VideoStatus.COMPLETED
    )
    assert {prompt: outcome.stack.count_accepted(prompt) for prompt in prompts} == dict.fromkeys(prompts, 1)


def test_all_are_posted_once(outcome: Outcome) -> None:
    posts = {name: len(outcome.stack.list_posts(video.prompt)) for name, video in outcome.videos.items()}

    assert posts == {name: video.posts for name, video in outcome.videos.items()}


def test_the_batch_is_submitted_to_its_last_row(outcome: Outcome) -> None:
    assert outcome.batch["status"] == "completed"
    assert [(row["status"], row["error"]) for row in outcome.rows] == [("completed", None)] * ROWS


def test_a_request_that_is_sent_again_is_the_same_video(outcome: Outcome) -> None:
    first, again = outcome.repeated

    assert first == again


def test_the_stack_has_the_same_table_and_bucket_and_its_new_routes(outcome: Outcome) -> None:
    before, after = outcome.outputs

    assert before.keys() <= after.keys()
    kept = ("LibraryTable", "VideoBucket", "StateMachineArn", "SecretsPath", "IntakeQueueArn", "DeadLetterQueueArn")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert outcome.stack.ask("GET", "/accounts").status_code == 200


def _submit(stack: DeployedStack, what: str, *platforms: str, **fields: JsonValue) -> Video:
    prompt = new_prompt(what)
    return Video(stack.submit(prompt, *platforms, **fields).id, prompt, len(platforms))


def _create_named(stack: DeployedStack, name: str) -> str:
    answer = stack.api.post("/videos", json={"prompt": f"Named: {name}"}, headers={"Idempotency-Key": name})
    answer.raise_for_status()
    return str(answer.json()["id"])


def _bring_to_every_stage(stack: DeployedStack) -> dict[str, Video]:
    """Submit a video for each stage, and see each get there; the one that will not stay long comes last."""
    videos = {
        "awaiting approval": _submit(stack, "Awaiting", "instagram", "threads", approval="required"),
        "rendering": _submit_held(stack, "Rendering", "retrieve", model="sora-2-pro"),
        "storing": _submit_held(stack, "Storing", "content"),
        "scheduled": _submit_scheduled(stack),
    }
    _wait_for_stage(stack, videos["rendering"], "rendering")
    for number in (1, 2):
        videos[f"queued {number}"] = _submit(stack, f"Queued {number}", "bluesky", model="sora-2-pro")
    _wait_for_stage(stack, videos["awaiting approval"], "awaiting_approval")
    _wait_for_stage(stack, videos["storing"], "storing")
    _wait_for_post(stack, videos["scheduled"], "scheduled")
    videos["post in doubt"] = _submit_lost_post(stack)
    _wait_for_post(stack, videos["post in doubt"], "in_doubt")
    stack.play_on_blotato("", "GET /posts/{postSubmissionId}", {"type": "respond", "status": 503})
    videos["being posted"] = _submit(stack, "Being posted", "linkedin")
    _wait_for_post(stack, videos["being posted"], "submitted")
    videos["lost submission"] = _submit_lost(stack)
    _wait_for_stage(stack, videos["lost submission"], "submitting")
    return videos


def _submit_held(stack: DeployedStack, what: str, on: str, **fields: JsonValue) -> Video:
    prompt = new_prompt(what)
    hold: dict[str, JsonValue] = {"type": "respond", "status": 503}
    stack.play_on_videos(prompt, on, {"type": "status", "status": "in_progress"} if on == "retrieve" else hold)
    return Video(stack.submit(prompt, "threads", **fields).id, prompt, 1)


def _submit_scheduled(stack: DeployedStack) -> Video:
    prompt, at = new_prompt("Scheduled"), datetime.now(UTC) + timedelta(days=1)
    fields = target("twitter")
    assert isinstance(fields, dict)
    video = stack.submit(prompt, publish=[{**fields, "scheduled_time": at.isoformat()}])
    return Video(video.id, prompt, 1)


def _submit_lost_post(stack: DeployedStack) -> Video:
    prompt = new_prompt("Post in doubt")
    stack.play_on_blotato(prompt, "POST /posts", {"type": "accept_then_drop"}, times=1)
    stack.play_on_blotato(prompt, "listing", {"type": "list_lag", "list_lag_seconds": UNLISTED_SECONDS}, times=1)
    return Video(stack.submit(prompt, "tiktok").id, prompt, 1)


def _submit_lost(stack: DeployedStack) -> Video:
    prompt = new_prompt("Lost submission")
    stack.play_on_videos(prompt, "create", {"type": "accept_then_drop"}, times=1)
    return Video(stack.submit(prompt, "threads").id, prompt, 1)


def _wait_for_stage(stack: DeployedStack, video: Video, stage: str) -> None:
    wait_for(lambda: stack.retrieve(video.id).stage == stage, what=f"{video.prompt} to be {stage}")


def _wait_for_post(stack: DeployedStack, video: Video, state: str) -> None:
    wait_for(
        lambda: [post.status for post in stack.retrieve(video.id).posts] == [state],
        what=f"the post of {video.prompt} to be {state}",
    )


def _tell_where(stack: DeployedStack, video: Video) -> str:
    shown = stack.retrieve(video.id)
    return " ".join([str(shown.stage), *(str(post.status) for post in shown.posts)])


def _count_rows(batch: Batch) -> int:
    """Count the rows that were submitted."""
    counts = batch["request_counts"]
    return sum(counts[name] for name in ("completed", "failed", "queued", "in_progress", "refused"))


def _open_again(base_url: str, stack: DeployedStack) -> DeployedStack:
    there = stack.world.stack.model_copy(update={"base_url": base_url})
    return DeployedStack(stack.world.model_copy(update={"stack": there}), wait_scale=QUICK)


def _let_go(stack: DeployedStack, videos: dict[str, Video]) -> None:
    """Let the outside world go on, and do what people do: approve, and move a post to now."""
    for stand_in in (stack.world.videos, stack.world.blotato):
        stack.outside.delete(f"{stand_in.control_url}/faults").raise_for_status()
    approved = stack.ask("POST", f"/videos/{videos['awaiting approval'].id}/approval", json={"decision": "approve"})
    assert approved.is_success, approved.text
    soon = datetime.now(UTC) + timedelta(seconds=MOVED_SECONDS)
    path = f"/videos/{videos['scheduled'].id}/posts/twitter/{ACCOUNTS['twitter'].id}"
    moved = stack.ask("PATCH", path, json={"scheduled_time": soon.isoformat()})
    assert moved.is_success, moved.text


def _follow(stack: DeployedStack, video: Video) -> VideoObject:
    """Follow a video until all that was promised of it is public; the sweep comes each minute, and oftener here."""

    def is_over() -> VideoObject | None:
        shown = stack.retrieve(video.id)
        if shown.status is VideoStatus.FAILED:
            return shown
        if shown.stage == "done" and all(post.status == "scheduled" for post in shown.posts):
            time.sleep(MOVED_SECONDS)
            stack.age_posts(video.id, LATER_SECONDS)
        stack.sweep()
        is_public = all(post.status == "published" for post in shown.posts)
        return shown if shown.stage == "done" and is_public else None

    return wait_for(is_over, what=f"the end of {video.prompt}")
