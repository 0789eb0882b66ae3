"""Kill the process before and after everything that publishing does, once and twice, and count what is public.

Every point is tried, none is sampled: a test goes through all of its plan's, and names those it fails at. Of pairs
every third is tried: each point is the first death of some, and the second of others. `MEDIAPOSTER_PAIRS=1` tries all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import islice, product, starmap
from typing import NamedTuple

import pytest

from mediaposter.domain.errors import ErrorCode, MediaPosterError, PublisherError
from mediaposter.stores.approvals import Approval, Decision
from mediaposter.stores.posts import SETTLED_STATES, Post, PostState
from mediaposter.stores.table import Record
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import CloseInput, PostStepInput
from mediaposter.wire.post_requests import ApprovalRequest, MoveRequest, PublishAgainRequest, ResolveRequest
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_stored_video, a_target, a_video
from tests.fakes.answers import Accept, Answer, Drop, Refuse
from tests.fakes.effects import Crash, Effects, Moment, SimulatedCrash
from tests.fakes.publisher import FakePublisher
from tests.fakes.video_model import MP4
from tests.fakes.world import World

PAIRS = int(os.environ.get("MEDIAPOSTER_PAIRS", "3"))
# What a person tries once more after an error.
TRIES = 3
# The lists show a post so long after it was taken.
LAG_SECONDS = 60.0

TAKEN_AND_LOST = Drop(is_accepted=True)  # a lost connection, or an error 500
NOT_TAKEN_AND_LOST = Drop(is_accepted=False)
BUSY = Refuse(PublisherError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=20))

Act = Callable[[World], None]


def _nothing(world: World) -> None:
    """Change nothing."""


def a_world(
    effects: Effects,
    *,
    posts: Sequence[Post],
    act: Act,
    publishes: Sequence[Answer] = (),
    lag_seconds: float = 0,
    lists_twice: bool = False,
    copies: int = 1,
    stage: Stage = Stage.PUBLISHING,
    records: Sequence[Record] = (),
    prepare: Act = _nothing,
) -> World:
    """Build a stack with a kept video and posts, and let the stack and its people do all that they will."""
    world = World(effects=effects, publisher=partial(FakePublisher, publishes=publishes))
    world.publisher.list_lag_seconds = lag_seconds
    world.publisher.lists_twice = lists_twice
    world.publisher.copies = copies
    stored = a_stored_video().model_copy(update={"size_bytes": len(MP4)})
    world.media.objects[stored.key] = MP4
    video = a_video(stage=stage, stored=stored, completed_at=NOW, publishing_since=NOW, is_told=stage is Stage.DONE)
    world.table.create([video, *posts, *records])
    if stage is not Stage.DONE:
        world.workflow.executions.append(VIDEO_ID)
    prepare(world)
    act(world)
    return world


def insist(world: World, call: Callable[[], object]) -> None:
    """Ask as a person does who gets no answer, and take a refusal for one."""
    for _ in range(TRIES):
        try:
            call()
        except SimulatedCrash:
            world.clock.advance(5)
            continue
        except MediaPosterError:
            pass
        return


def ask_again_for_what_failed(world: World) -> None:
    insist(world, lambda: world.repost(VIDEO_ID, PublishAgainRequest(), caller=a_caller()))
    world.carry_on()


def ask_for_one_that_nobody_found(world: World) -> None:
    request = ResolveRequest(outcome="send_again")
    insist(world, lambda: world.repost.resolve(VIDEO_ID, "twitter#101", request, caller=a_caller()))
    world.carry_on()


def approve(world: World) -> None:
    """Approve, and say to which account it goes; who gets no answer decides again."""
    edits = {"text": "Look up", "publish": [{"platform": "twitter", "account_id": "103"}]}
    request = ApprovalRequest.model_validate({"decision": "approve", "edits": edits})

    def decide() -> None:
        if world.approvals.get(VIDEO_ID).decision is Decision.WAITING:
            with suppress(MediaPosterError):
                world.decide(VIDEO_ID, request, caller=a_caller())

    world.while_asked = decide
    world.carry_on()


def move(world: World, *, to: timedelta) -> None:
    world.run_executions()
    world.clock.advance(600)
    request = MoveRequest(scheduled_time=NOW + to)
    insist(world, lambda: world.reschedule.move(VIDEO_ID, "twitter#101", request, caller=a_caller()))
    world.carry_on()


def cancel_and_post_again(world: World) -> None:
    """Cancel at once, while the lists may still lag, and send what is cancelled to the same account again."""
    world.run_executions()
    insist(world, lambda: world.reschedule.cancel(VIDEO_ID, "twitter#101", caller=a_caller()))
    request = PublishAgainRequest.model_validate({"publish": [{"platform": "twitter", "account_id": "101"}]})
    insist(world, lambda: world.repost(VIDEO_ID, request, caller=a_caller()))
    world.carry_on()


FIRST = a_post(a_target("twitter", "101"))
SECOND = a_post(a_target("twitter", "102"))
STAGGERED = a_post(a_target("twitter", "102"), delay_minutes=10)
IN_TWO_HOURS = a_post(a_target("twitter", "101", scheduled_time=NOW + timedelta(hours=2)))
IN_A_SLOT = a_post(a_target("twitter", "102", next_free_slot=True))
VERIFIED = (
    a_post(a_target("twitter", "101"), delivery="verified"),
    a_post(a_target("bluesky", "103"), delivery="verified"),
)
FAILED = a_post(a_target("twitter", "101"), state=PostState.FAILED, is_told=True)
PARKED = a_post(a_target("twitter", "101"), state=PostState.PARKED, is_told=True)
QUESTION = Approval(video_id=VIDEO_ID, asked_at=NOW, expires_at=NOW + timedelta(hours=24))


class Plan(NamedTuple):
    """What is done, whether it dies twice, and whether the network of its publisher loses posts."""

    run: Callable[..., World]
    dies_twice: bool = False
    loses_posts: bool = False


direct = partial(a_world, posts=(FIRST, SECOND), act=World.carry_on)
scheduled = partial(a_world, posts=(IN_TWO_HOURS, STAGGERED), act=World.carry_on)
verified = partial(a_world, posts=VERIFIED, copies=2, act=World.carry_on)
approved = partial(a_world, posts=(FIRST, SECOND), stage=Stage.AWAITING_APPROVAL, records=[QUESTION], act=approve)
retried = partial(a_world, posts=(FAILED,), stage=Stage.DONE, act=ask_again_for_what_failed)
sent_again = partial(a_world, posts=(PARKED,), stage=Stage.DONE, act=ask_for_one_that_nobody_found)
moved_sooner = partial(a_world, posts=(IN_TWO_HOURS,), act=partial(move, to=timedelta(hours=1)))
moved_later = partial(a_world, posts=(IN_TWO_HOURS,), act=partial(move, to=timedelta(hours=3)))
cancelled = partial(a_world, posts=(IN_TWO_HOURS,), act=cancel_and_post_again)

# Each goes through effects that no other does; a variant that only does the same for more posts is left out.
PLANS: dict[str, Plan] = {
    "two direct": Plan(direct),
    "direct, the call is lost": Plan(
        partial(direct, posts=(FIRST,), publishes=[NOT_TAKEN_AND_LOST]), dies_twice=True, loses_posts=True
    ),
    "two direct, the second call is lost": Plan(
        partial(direct, publishes=[Accept(), NOT_TAKEN_AND_LOST]), loses_posts=True
    ),
    "direct, the reply is lost and the list lags": Plan(
        partial(direct, posts=(FIRST,), publishes=[TAKEN_AND_LOST], lag_seconds=LAG_SECONDS), dies_twice=True
    ),
    "two direct, the reply is lost and the list shows it twice": Plan(
        partial(direct, publishes=[TAKEN_AND_LOST], lists_twice=True)
    ),
    "direct, the publisher is busy, then the reply is lost": Plan(
        partial(direct, posts=(FIRST,), publishes=[BUSY, TAKEN_AND_LOST]), dies_twice=True
    ),
    "scheduled and staggered": Plan(scheduled),
    "scheduled and staggered, the reply is lost": Plan(partial(scheduled, publishes=[TAKEN_AND_LOST] * 9)),
    "scheduled and staggered, the call is lost": Plan(
        partial(scheduled, publishes=[NOT_TAKEN_AND_LOST] * 9), loses_posts=True
    ),
    "scheduled, the reply is lost and the list lags": Plan(
        partial(scheduled, posts=(IN_TWO_HOURS,), publishes=[TAKEN_AND_LOST], lag_seconds=LAG_SECONDS), dies_twice=True
    ),
    "in a free slot, the reply is lost": Plan(partial(scheduled, posts=(IN_A_SLOT,), publishes=[TAKEN_AND_LOST])),
    "verified, and made twice": Plan(partial(verified, posts=VERIFIED[:1]), dies_twice=True),
    "verified, and made twice, the reply is lost and the list lags": Plan(
        partial(verified, posts=VERIFIED[:1], publishes=[TAKEN_AND_LOST], lag_seconds=LAG_SECONDS), dies_twice=True
    ),
    "two verified, and made twice, the list shows it twice": Plan(partial(verified, lists_twice=True)),
    "two verified, the call is lost": Plan(
        partial(verified, copies=1, publishes=[NOT_TAKEN_AND_LOST] * 9), loses_posts=True
    ),
    "approved with another account": Plan(partial(approved, posts=(FIRST,)), dies_twice=True),
    "retried, the reply is lost and the list lags": Plan(
        partial(retried, publishes=[TAKEN_AND_LOST], lag_seconds=LAG_SECONDS)
    ),
    "sent again at a person's word": Plan(sent_again),
    "moved sooner, the first reply was lost": Plan(partial(moved_sooner, publishes=[TAKEN_AND_LOST]), dies_twice=True),
    "moved later, the first reply was lost": Plan(partial(moved_later, publishes=[TAKEN_AND_LOST])),
    "cancelled and posted again": Plan(cancelled),
    "cancelled and posted again, the list lags": Plan(partial(cancelled, lag_seconds=LAG_SECONDS), dies_twice=True),
}
MEETS_ANOTHER = [
    "two direct",
    "retried, the reply is lost and the list lags",
    *(name for name, plan in PLANS.items() if plan.dies_twice and not plan.loses_posts),
]
# What people do adds other ends: a post may be cancelled, and after a crash meanwhile its end is unknown.
ENDS_OF_CANCELLED = (PostState.CANCELLED, PostState.UNKNOWN)


def points_of(world: World, *, after: int, moments: Iterable[Moment] = Moment) -> Iterator[Crash]:
    """Give every point at which a run can die, once `after` effects are done."""
    return starmap(Crash, product(range(after + 1, len(world.effects.names) + 1), moments))


def check_the_world(world: World, may_end: Callable[[Post], Sequence[PostState]]) -> None:
    """See that no account has a post twice, and that the ledger tells what anyone can know.

    Args:
        world: in which nothing moves any more.
        may_end: how a post may end that is not public.
    """
    now = world.clock()
    assert all(post.scheduled_time is None or post.scheduled_time <= now for post in world.publisher.posts.values())
    public = world.publisher.count_posts()
    assert all(count == 1 for count in public.values()), f"posted twice: {public}"
    known = {f"{post.video_id}-{post.target.platform}-{post.target.account_id}" for post in world.posts}
    assert known >= public.keys(), "posted without a record"
    for post in world.posts:
        is_public = public[f"{post.video_id}-{post.target.platform}-{post.target.account_id}"] == 1
        assert post.state in SETTLED_STATES, f"{post.key.sk} is left {post.state}"
        assert is_public == (post.state is PostState.PUBLISHED), f"{post.key.sk} is {post.state}, public: {is_public}"
        assert is_public or post.state in may_end(post), f"{post.key.sk} is {post.state} for no reason"
        assert not is_public or post.public_url in urls_of(world, post), (
            f"{post.public_url} is not that of {post.key.sk}"
        )
        check_told(world, post)
    assert world.video.stage is Stage.DONE


def urls_of(world: World, post: Post) -> list[str]:
    """Give where the network shows a post."""
    return [
        f"https://network.example/{submission_id}"
        for submission_id, public in world.publisher.posts.items()
        if public.target.post_id == post.target.post_id
    ]


def ends_without_a_post(name: str, world: World, crashes: Sequence[Crash], post: Post) -> Sequence[PostState]:
    """Give how a post may end that never was public: parked where the process died between intent and call."""
    plan = PLANS[name]
    points = {(moment, world.effects.names[effect - 1]) for effect, moment in crashes}
    never_taken = {
        (Moment.AFTER, f"write {post.key.sk} calling"),
        (Moment.BEFORE, f"publish on {post.target.post_id}"),
        # It was refused, and the process that got the refusal crashed.
        (Moment.BEFORE, f"write {post.key.sk} pending"),
    }
    parked = (PostState.PARKED,) if plan.loses_posts or points & never_taken else ()
    return (*parked, *(ENDS_OF_CANCELLED if "cancelled" in name else ()))


def check_told(world: World, post: Post) -> None:
    told = [event for event in world.post_events if event.account_id == post.target.account_id]
    if post.state is PostState.CANCELLED:
        return
    is_in_doubt = post.state in (PostState.PARKED, PostState.UNKNOWN)
    expected = "post.in_doubt" if is_in_doubt else f"post.{post.state}"
    assert told, f"no event says that {post.key.sk} is {post.state}"
    assert told[-1].type == expected, f"{post.key.sk} is {post.state}, and {told[-1].type} was told"
    assert len({event.id for event in told if event.type == expected}) == 1, "a repetition looks like news"


def run(name: str, *crashes: Crash) -> World:
    """Run a plan with its crashes and check what is left."""
    world = PLANS[name].run(Effects(*crashes))
    try:
        check_the_world(world, lambda post: ends_without_a_post(name, world, crashes, post))
    except AssertionError as error:
        where = [f"{moment} {effect}, {world.effects.names[effect - 1]}" for effect, moment in crashes]
        error.add_note(f"{name}; it died {where}; the effects were {world.effects.names}")
        raise
    return world


@pytest.mark.parametrize("name", PLANS)
def test_a_death_anywhere_posts_nothing_twice_and_the_ledger_tells_the_truth(name: str) -> None:
    for crash in points_of(run(name), after=1):
        run(name, crash)


@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan.dies_twice])
def test_two_deaths_anywhere_post_nothing_twice_and_the_ledger_tells_the_truth(name: str) -> None:
    # A death before an effect leaves what the one after the effect before leaves, and alone each is tried.
    for first in points_of(run(name), after=1, moments=[Moment.AFTER]):
        # What there is to do after the first crash is found out by running it.
        later = points_of(run(name, first), after=first.effect, moments=[Moment.AFTER])
        for second in islice(later, first.effect % PAIRS, None, PAIRS):
            run(name, first, second)


# What another worker, or a person, does at the same time.
DOINGS: dict[str, Callable[[World], object]] = {
    "creates": lambda world: [world.create_post(step) for step in steps_of(world)],
    "checks": lambda world: [world.check_post(step) for step in steps_of(world)],
    "sweeps": lambda world: world.sweep(),
    "closes": lambda world: world.close(CloseInput(video_id=VIDEO_ID)),
    "asks for what failed": lambda world: world.repost(VIDEO_ID, PublishAgainRequest(), caller=a_caller()),
    "approves": lambda world: world.decide(VIDEO_ID, ApprovalRequest(decision="approve"), caller=a_caller()),
    "rejects": lambda world: world.decide(VIDEO_ID, ApprovalRequest(decision="reject"), caller=a_caller()),
    "cancels": lambda world: world.reschedule.cancel(VIDEO_ID, "twitter#101", caller=a_caller()),
}
# One that another worker ended is over, and so is one that a person took away.
ENDS_OF_ANOTHER = (PostState.FAILED, PostState.CANCELLED)


def steps_of(world: World) -> list[PostStepInput]:
    """Give the steps that another execution of the video may be at: none before it is approved."""
    if world.video.stage is Stage.AWAITING_APPROVAL:
        return []
    return [PostStepInput(video_id=VIDEO_ID, post_id=post.target.post_id) for post in world.posts]


def come_before_write(number: int, doing: Callable[[World], object], world: World) -> None:
    """Let another worker do all of something right before a write, of which 1 is the next."""
    left = [number]

    def happen() -> None:
        left[0] -= 1
        if left[0] > 0:
            world.table.meanwhile = happen
            return
        with suppress(MediaPosterError):
            doing(world)

    world.table.meanwhile = happen


def come_during_call(number: int, doing: Callable[[World], object], world: World) -> None:
    """Let another worker do all of something while the publisher decides on a post, of which 1 is the first."""

    def happen() -> None:
        if world.publisher.publish_calls == number:
            with suppress(MediaPosterError):
                doing(world)

    world.publisher.meanwhile = happen


@pytest.mark.parametrize("doing", DOINGS)
@pytest.mark.parametrize("name", MEETS_ANOTHER)
def test_another_at_every_write_and_call_posts_nothing_twice_and_the_ledger_tells_the_truth(
    name: str, doing: str
) -> None:
    alone = run(name)
    writes = sum(effect.startswith(("write ", "create ", "delete ")) for effect in alone.effects.names)
    points = [(come_before_write, number) for number in range(1, writes + 1)]
    points += [(come_during_call, number) for number in range(1, alone.publisher.publish_calls + 1)]
    # A worker that gets a refusal after another has closed the video cannot record it.
    parked = (PostState.PARKED,) if doing == "closes" and "busy" in name else ()
    for come, number in points:
        world = PLANS[name].run(Effects(), prepare=partial(come, number, DOINGS[doing]))
        try:
            check_the_world(world, lambda _: (*ENDS_OF_ANOTHER, *parked))
        except AssertionError as error:
            error.add_note(f"{name}; another {doing}, {come.__name__} {number}; {world.effects.names}")
            raise
