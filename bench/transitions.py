"""What a video costs in transitions of the state machine, by how its end is known.

Run by hand: `python -m bench.transitions`; it takes some seconds. Every video goes through the shipped
statemachine/video.asl.json with the use cases of production, over the fakes of the tests: a provider that renders for
30, 120 or 600 seconds and tells no progress, and a network that has the post at the first question.

How the end is known: by `polling`; by a `webhook` that comes when the render is done; and `queued`, by polling again,
of a video that waits for an hour because its provider is full. How the waits are chosen: `cold` is the first video of
its model, whose catalog guesses right how long it renders; `misguessed` is one whose catalog guesses half of it;
`learned` comes after 100 renders around the same length (lognormal, with a deviation of 0.35), on three seeds of which
the dearest counts.

It prints a table and exits 1 if a video of 120 seconds, cold or learned, costs more than $0.001 in transitions, or if
waiting in the queue adds any.

"Step Functions counts a state transition each time a step of your workflow is executed", and "each retry will be
charged as an additional state transition" (AWS Step Functions pricing): so every state that is entered counts here,
those of a Map's iterations too, and every retry. Prices are those of us-east-1: $0.025 for 1,000 transitions of a
Standard workflow, $0.20 for 1,000,000 requests to Lambda. The requests are those of a video alone: its submit, its
announcement, its steps, a webhook, and two of the dispatcher, which often come with those of other videos.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from bench.polling import DEVIATION, watch
from mediaposter.ai.catalog import Catalog, parse_catalog
from mediaposter.ai.video_model_interface import Capabilities
from mediaposter.domain.errors import ErrorCode, VideoModelError
from mediaposter.stores.render_times import RenderTimeStore
from mediaposter.stores.video_stages import Stage
from tests.builders import VIDEO_ID, a_caller, a_request, a_target
from tests.fakes.answers import Refuse
from tests.fakes.video_model import FakeVideoModel, RenderingModel
from tests.fakes.world import World

RENDERS_SECONDS = (30, 120, 600)
QUEUED_SECONDS = 3_600
LEARNED_RENDERS = 100
SEEDS = ("1", "2", "3")

TRANSITION_USD = 0.025 / 1_000
REQUEST_USD = 0.20 / 1_000_000
AIM_SECONDS = 120
AIM_USD = 0.001
# SubmitFunction and AnnounceFunction.
REQUESTS_OF_EVERY_VIDEO = 2

NOT_IN_THE_FIGURES = """
Not in these figures: the time that functions run (GB-seconds), DynamoDB, S3, API Gateway and its authorizer (which is
remembered for 5 minutes), EventBridge, SQS, logs and traces; the sweep, which runs once a minute for all videos; the
webhooks to receivers; and AWS's free tier. A post that the network does not have at the first question
takes 3 transitions and 1 request more for each further one.
"""


class Way(StrEnum):
    """How the end of a render is known, and whether the video waits for its turn."""

    POLLING = "polling"
    WEBHOOK = "webhook"
    QUEUED = "queued"


REQUESTS = {Way.POLLING: 0, Way.WEBHOOK: 1, Way.QUEUED: 2}


class Bill(NamedTuple):
    """What one video took."""

    transitions: int
    questions: int
    requests: int

    @property
    def usd(self) -> float:
        """Give the price of its transitions."""
        return self.transitions * TRANSITION_USD

    def __str__(self) -> str:
        return (
            f"{self.questions:>5}{self.transitions:>6}{self.usd:>10.6f}"
            f"{self.requests:>5}{self.requests * REQUEST_USD:>11.7f}"
        )


def write_catalog(expected_seconds: int) -> Catalog:
    """Write a catalog of two providers, with two models each, that guesses how long they render."""
    names = {"sora-2": "sora", "sora-1": "sora", "kite-2": "kites", "kite-1": "kites"}
    return parse_catalog(
        "\n".join(
            f"""
            [models.{name}]
            provider = "{provider}"
            durations_seconds = [4]
            sizes = ["720x1280"]
            price_usd_per_second = {{ "720" = "0.10" }}
            expected_render_seconds = {expected_seconds}
            """
            for name, provider in names.items()
        )
    )


def follow(
    render_seconds: int, way: Way, *, has_post: bool = False, expected_seconds: int | None = None, seed: str = ""
) -> Bill:
    """Take a video through all of its steps; with a seed, after others of its length."""
    model = RenderingModel(capabilities=Capabilities(webhook=True))
    model.render_seconds = render_seconds
    catalog = write_catalog(expected_seconds or render_seconds)
    world = World(
        model=lambda _: model,
        catalog=catalog,
        slots={"sora": 1},
        listens_to=["sora"] if way is Way.WEBHOOK else [],
        ids=["video_before", VIDEO_ID] if way is Way.QUEUED else [],
    )
    model.clock = world.clock
    if way is Way.WEBHOOK:
        world.webhooks_at = [world.clock() + timedelta(seconds=render_seconds)]
    if seed:
        teach(RenderTimeStore(world.table), render_seconds, catalog.get("sora-2").expected_render_seconds, seed)
    request = a_request(publish=[a_target()] if has_post else [])
    if way is Way.QUEUED:
        wait_in_line(world, lambda: world.submit(request, caller=a_caller()))
    else:
        world.submit(request, caller=a_caller())
        world.run_executions()
    if world.video.stage is not Stage.DONE or len(world.publisher.posts) != has_post:
        raise AssertionError(f"The video is at {world.video.stage} with {len(world.publisher.posts)} posts.")
    return add_up(world, model.questions, REQUESTS[way])


def wait_in_line(world: World, submit: Callable[[], object]) -> None:
    """Let a video come when its provider is full, wait, and be carried when the one before it has ended."""
    # Another model of the provider: nothing is learned of the one that is followed.
    world.submit(a_request(model="sora-1"), caller=a_caller())
    submit()
    world.clock.advance(QUEUED_SECONDS)
    if world.workflow.executions != ["video_before"]:
        raise AssertionError(f"Executions were started while the provider was full: {world.workflow.executions}.")
    world.run_executions()
    world.machines.clear()
    world.dispatch("sora")
    world.run_executions()


def count_parked() -> int:
    """Count the transitions that a video pays more for when it falls back to a provider that is full."""
    refusal = Refuse(VideoModelError(ErrorCode.INSUFFICIENT_CREDIT, "The account has no credit."))
    bills = []
    for is_full in (False, True):
        kites = RenderingModel()
        world = World(
            model=lambda _: FakeVideoModel(creates=[refusal]),
            other_models=dict.fromkeys(["kite-1", "kite-2"], lambda _: kites),  # noqa: B023 (called at once)
            catalog=write_catalog(AIM_SECONDS),
            slots={"kites": 1},
            ids=["video_before", VIDEO_ID] if is_full else [],
        )
        kites.clock = world.clock
        if is_full:
            world.submit(a_request(model="kite-1"), caller=a_caller())
            holding = world.walk_executions()
        world.submit(a_request(fallback_models=["kite-2"]), caller=a_caller())
        world.run_executions()
        if is_full:
            for execution in holding.values():
                for seconds in execution:
                    world.clock.advance(seconds)
            world.machines.pop(0)
            world.dispatch("kites")
            world.run_executions()
        if world.video.stage is not Stage.DONE:
            raise AssertionError(f"The video is at {world.video.stage}.")
        bills.append(add_up(world, kites.questions, 0).transitions)
    return bills[1] - bills[0]


def add_up(world: World, questions: int, requests: int) -> Bill:
    """Add up what the machines of a world took."""
    return Bill(
        transitions=sum(machine.transitions for machine in world.machines),
        questions=questions,
        requests=REQUESTS_OF_EVERY_VIDEO + requests + sum(machine.invocations for machine in world.machines),
    )


def teach(video_store: RenderTimeStore, render_seconds: int, expected_seconds: int, seed: str) -> None:
    """Let the stack have watched many renders."""
    chance = random.Random(f"{render_seconds} {seed}")  # noqa: S311 (no secret depends on it)
    for _ in range(LEARNED_RENDERS):
        times = video_store.get("sora-2", expected_seconds=expected_seconds)
        watched = watch(times, render_seconds * math.exp(chance.gauss(0, DEVIATION)), None, chance)
        video_store.learn(
            "sora-2",
            expected_seconds=expected_seconds,
            running_seconds=watched.running_seconds,
            done_seconds=watched.done_seconds,
        )


def compare() -> bool:
    """Print what each video costs; tell whether the aims are met."""
    head = f"{'asked':>5}{'trans':>6}{'$':>10}{'req':>5}{'$':>11}"
    print(f"{'':<26}" + "".join(f"{way:>39}" for way in Way))
    print(f"{'render':>6}{'posts':>6}  {'waits':<12}" + f"  {head}" * len(Way))
    holds = True
    for render_seconds in RENDERS_SECONDS:
        for has_post in (False, True):
            for waits in ("cold", "learned", "misguessed"):
                bills = {way: follow_all(render_seconds, way, has_post=has_post, waits=waits) for way in Way}
                misses = list_misses(render_seconds, waits, bills)
                figures = "".join(f"  {bill}" for bill in bills.values())
                print(f"{render_seconds:>4} s{has_post:>6d}  {waits:<12}{figures}  {'; '.join(misses)}".rstrip())
                holds = holds and not misses
    print(f"\nA video that falls back to a provider that is full takes {count_parked()} transitions more.")
    print(NOT_IN_THE_FIGURES)
    return holds


def follow_all(render_seconds: int, way: Way, *, has_post: bool, waits: str) -> Bill:
    """Follow the videos of which the dearest counts."""
    if waits == "learned":
        return max(follow(render_seconds, way, has_post=has_post, seed=seed) for seed in SEEDS)
    expected_seconds = render_seconds // 2 if waits == "misguessed" else render_seconds
    return follow(render_seconds, way, has_post=has_post, expected_seconds=expected_seconds)


def list_misses(render_seconds: int, waits: str, bills: dict[Way, Bill]) -> list[str]:
    """List the aims that are missed."""
    is_aimed_at = render_seconds == AIM_SECONDS and waits != "misguessed"
    dear = [f"MISSED: {way} is more than ${AIM_USD}" for way, bill in bills.items() if bill.usd > AIM_USD]
    more = bills[Way.QUEUED].transitions - bills[Way.POLLING].transitions
    return [*(dear if is_aimed_at else []), *([f"MISSED: the queue adds {more}"] if more else [])]


def main() -> None:
    """Print the table, and exit 1 if an aim is missed."""
    sys.exit(0 if compare() else 1)


if __name__ == "__main__":
    main()
