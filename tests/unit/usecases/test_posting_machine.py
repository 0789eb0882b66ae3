"""Whatever happens to the posts of a video, in whatever order: no account has it twice, and none is left waiting.

MEDIAPOSTER_EXAMPLES says how many orders of events are tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mediaposter.domain.errors import ErrorCode, MediaPosterError, PublisherError
from mediaposter.domain.executions import ExecutionStatus
from mediaposter.publishing.targets import Delivery
from mediaposter.stores.approvals import Approval, approval_key
from mediaposter.stores.posts import SETTLED_STATES, Post, PostState
from mediaposter.stores.video_record import video_key
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import CloseInput, PostStepInput
from mediaposter.wire.post_requests import ApprovalRequest, MoveRequest, PublishAgainRequest, ResolveRequest
from tests.builders import NOW, VIDEO_ID, a_caller, a_post, a_stored_video, a_target, a_video
from tests.fakes.answers import Accept, Answer, Drop, Refuse
from tests.fakes.effects import Moment, SimulatedCrash
from tests.fakes.state_machine import Status
from tests.fakes.video_model import MP4
from tests.fakes.world import World

ACCOUNTS = ("101", "102")
# What another worker may be doing at the same time.
DOINGS = ("create", "check", "sweep", "retry", "cancel", "close", "approve")
FAULT = PublisherError(ErrorCode.PROVIDER_ERROR, "Bad gateway.", transient=True)
LATER = PublisherError(ErrorCode.RATE_LIMITED, "Later.", transient=True, retry_after_seconds=20)
REFUSED = PublisherError(ErrorCode.INVALID_REQUEST, "The account is not connected.")
ANSWERS: tuple[Answer, ...] = (
    Accept(),
    Drop(is_accepted=True),
    Drop(is_accepted=False),
    Refuse(LATER),
    Refuse(REFUSED),
)
# Minutes from now; None is at once.
AHEAD = st.sampled_from((None, None, 10, 30, 180, 4_000))
# A call is over before its lease is.
SECONDS_OF_A_CALL = st.sampled_from((0, 5, 100))
# The execution, and those that post a video again, end after so many waits.
WAITS_MAX = 2_000
FAR = 12
SWEEPS_MAX = 300
CLOSES_MAX = 5

accounts = st.sampled_from(ACCOUNTS)
post_ids = accounts.map(lambda account: f"twitter#{account}")

Execution = Generator[float, None, Status]


class Posting(RuleBasedStateMachine):
    """A kept video, its executions, its sweep, its publisher and the people that have a say in its posts."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.running: list[tuple[datetime, int, str, Execution]] = []
        self.numbers = count()

    @initialize(
        posts=st.lists(st.tuples(accounts, AHEAD), min_size=1, max_size=2, unique_by=lambda post: post[0]),
        delivery=st.sampled_from(("direct", "verified")),
        is_asked=st.booleans(),
        lag_seconds=st.sampled_from((0, 60)),
        lists_twice=st.booleans(),
    )
    def keep(
        self,
        posts: list[tuple[str, int | None]],
        delivery: Delivery,
        is_asked: bool,
        lag_seconds: int,
        lists_twice: bool,
    ) -> None:
        world = self.world
        world.publisher.list_lag_seconds = lag_seconds
        world.publisher.lists_twice = lists_twice
        stored = a_stored_video().model_copy(update={"size_bytes": len(MP4)})
        world.media.objects[stored.key] = MP4
        stage = Stage.AWAITING_APPROVAL if is_asked else Stage.PUBLISHING
        world.keep(
            a_video(stage=stage, stored=stored, completed_at=NOW, publishing_since=NOW, approval_hours=24),
            *(
                a_post(a_target("twitter", account, **self.give_time(ahead)), delivery=delivery)
                for account, ahead in posts
            ),
        )
        if is_asked:
            question = Approval(video_id=VIDEO_ID, asked_at=NOW, expires_at=NOW + timedelta(hours=24))
            world.table.create([question])
        world.workflow.executions.append(VIDEO_ID)
        self.begin()

    # The stack

    @precondition(lambda self: self.running)
    @rule()
    def carry_far_on(self) -> None:
        self.carry_on(FAR)

    @precondition(lambda self: self.running)
    @rule(times=st.integers(1, 3))
    def carry_on(self, times: int) -> None:
        """Let time pass until the next execution goes on."""
        for _ in range(times):
            if not self.running:
                return
            at, number, name, execution = min(self.running, key=lambda running: running[:2])
            self.running.remove((at, number, name, execution))
            self.pass_time(max((at - self.world.clock()).total_seconds(), 0))
            try:
                seconds = next(execution)
            except StopIteration as end:
                if end.value is Status.FAILED:
                    self.close()
            else:
                self.running.append((self.world.clock() + timedelta(seconds=seconds), number, name, execution))
            self.begin()

    @precondition(lambda self: self.running)
    @rule()
    def abort(self) -> None:
        """End an execution from outside, whatever it does; the rule behind it closes the video."""
        _, _, name, _ = self.running.pop(0)
        self.world.workflow.over[name] = ExecutionStatus.ABORTED
        self.close()

    @rule(seconds=st.sampled_from((20, 70, 130, 400, 4_000, 90_000)))
    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        self.call(self.world.sweep)

    # What goes wrong

    @rule(effects_ahead=st.integers(1, 6), moment=st.sampled_from(Moment), times=st.integers(0, 3))
    def die(self, effects_ahead: int, moment: Moment, times: int) -> None:
        """Kill the process at an effect: of an execution, or of the next worker."""
        self.world.effects.crash_at(effects_ahead, moment)
        self.carry_on(times)

    @rule(moment=st.sampled_from(Moment), times=st.integers(0, 3))
    def die_in_a_call(self, moment: Moment, times: int) -> None:
        """Kill the process around the next call that may be public."""

        def happen() -> None:
            self.world.publisher.meanwhile = _nothing
            self.world.effects.crash_at(1, moment)

        self.world.publisher.meanwhile = happen
        self.carry_on(times)

    @rule(answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=2))
    def answer_next(self, answers: list[Answer]) -> None:
        self.world.publisher.publishes = answers

    @rule(what=st.sampled_from(("silence", "no silence", "no list", "no schedules", "no start", "start")))
    def stumble(self, what: str) -> None:
        """Let a question go unanswered, or a start, or let them be answered again."""
        world = self.world
        if what == "no list":
            world.publisher.looks.append(FAULT)
        elif what == "no schedules":
            world.publisher.schedule_errors.append(FAULT)
        elif what.endswith("silence"):
            world.publisher.is_silent = what == "silence"
        else:
            world.workflow.refuses = what == "no start"

    @rule(post_id=post_ids, what=st.sampled_from(DOINGS), times=st.integers(0, 1))
    def come_between(self, post_id: str, what: str, times: int) -> None:
        """Let another worker do all of something between the read and the next write of the next worker."""
        self.world.table.meanwhile = partial(self.do, what, post_id)
        self.carry_on(times)

    @rule(post_id=post_ids, what=st.sampled_from(DOINGS), seconds=SECONDS_OF_A_CALL)
    def come_during_a_call(self, post_id: str, what: str, seconds: int) -> None:
        """Let another worker do something while the publisher decides on the next post."""

        def happen() -> None:
            self.world.publisher.meanwhile = _nothing
            self.world.clock.advance(seconds)
            self.do(what, post_id)

        self.world.publisher.meanwhile = happen

    # People

    @rule(account=st.none() | accounts, ahead=AHEAD, delivery=st.sampled_from(("direct", "verified")))
    def post_again(self, account: str | None, ahead: int | None, delivery: Delivery) -> None:
        """Ask for what failed, or for an account."""
        target = {"platform": "twitter", "account_id": account, **self.give_time(ahead)}
        request = PublishAgainRequest.model_validate(
            {} if account is None else {"publish": [target], "delivery": delivery}
        )
        self.call(lambda: self.world.repost(VIDEO_ID, request, caller=a_caller()))

    @rule(
        is_approved=st.booleans(),
        words=st.none() | st.just("Look up"),
        approved=st.none() | st.lists(accounts, min_size=1, max_size=2, unique=True),
    )
    def decide(self, is_approved: bool, words: str | None, approved: list[str] | None) -> None:
        self.call(partial(self.answer, is_approved=is_approved, words=words, approved=approved))

    @rule(post_id=post_ids, minutes=st.sampled_from((2, 60, 3_000)))
    def move(self, post_id: str, minutes: int) -> None:
        request = MoveRequest(scheduled_time=self.world.clock() + timedelta(minutes=minutes))
        self.call(lambda: self.world.reschedule.move(VIDEO_ID, post_id, request, caller=a_caller()))

    @rule(post_id=post_ids)
    def cancel(self, post_id: str) -> None:
        self.call(partial(self.do_cancel, post_id))

    @rule()
    def resolve(self) -> None:
        """Say of each post, whether it was asked for or not, what can be seen at the network."""
        for post in self.world.posts:
            url = f"https://network.example/{post.target.account_id}"
            word: dict[str, Any] = (
                {"outcome": "posted", "url": url} if self.is_public(post) else {"outcome": "send_again"}
            )
            request = ResolveRequest.model_validate(word)
            self.call(partial(self.world.repost.resolve, VIDEO_ID, post.target.post_id, request, caller=a_caller()))

    # What always holds

    @invariant()
    def no_account_has_the_video_twice(self) -> None:
        posts = self.world.publisher.count_posts()
        assert all(number <= 1 for number in posts.values()), f"posted twice: {posts}"

    @invariant()
    def somebody_comes_back_to_whatever_waits(self) -> None:
        alarms = (approval_key(VIDEO_ID), video_key(VIDEO_ID))
        is_carried = bool(self.running) or any("due" in self.world.table.items.get(key, {}) for key in alarms)
        for post in self.world.posts if VIDEO_ID in self.world.workflow.executions else []:
            if post.state not in SETTLED_STATES:
                assert is_carried or post.due_at is not None, f"{post.key.sk}, {post.state}, is not due"

    def teardown(self) -> None:
        """Let all that waits come to its end; then the ledger tells the truth."""
        if VIDEO_ID not in self.world.workflow.executions:
            return
        self.world.effects.crash_never()
        self.world.table.meanwhile = None
        self.world.publisher.meanwhile = _nothing
        self.world.publisher.publishes.clear()
        self.world.publisher.is_silent = False
        self.world.workflow.refuses = False
        for _ in range(WAITS_MAX):
            if not self.running:
                break
            self.carry_on(1)
        for _ in range(SWEEPS_MAX):
            due = sorted(str(item["due_at"]) for item in self.world.table.items.values() if "due" in item)
            if not due and not self.running:
                break
            if due:
                left = (datetime.fromisoformat(due[0]) - self.world.clock()).total_seconds()
                self.pass_time(max(left, 0) + 60)
            self.sweep()
            while self.running:
                self.carry_on(1)
        self.no_account_has_the_video_twice()
        for post in self.world.posts:
            is_public = self.is_public(post)
            assert post.state in SETTLED_STATES, f"{post.key.sk} is left {post.state}"
            # A publisher that calls it in progress for ever, or does not answer for a day, leaves it to a person.
            is_unanswered = post.state is PostState.UNKNOWN or "could not be reached for a day" in (
                post.error_message or ""
            )
            may_be_public = post.state is PostState.PUBLISHED or is_unanswered
            assert is_public <= may_be_public, f"{post.key.sk} is {post.state}, and public"
            assert is_public or post.state is not PostState.PUBLISHED, f"{post.key.sk} is published, but not public"

    # How it is done

    def give_time(self, ahead: int | None) -> dict[str, str]:
        """Give the time of a target so many minutes ahead."""
        if ahead is None:
            return {}
        return {"scheduled_time": (self.world.clock() + timedelta(minutes=ahead)).isoformat()}

    def is_public(self, post: Post) -> bool:
        """Tell whether the network shows a post of this video on this account."""
        now = self.world.clock()
        return any(
            public.target.post_id == post.target.post_id
            and (public.scheduled_time is None or public.scheduled_time <= now)
            for public in self.world.publisher.posts.values()
        )

    def begin(self) -> None:
        """Take up the executions that were started."""
        for name, execution in self.world.walk_executions().items():
            self.running.append((self.world.clock(), next(self.numbers), name, execution))

    def call(self, what: Callable[[], object]) -> None:
        """Do something, which may die or be refused; any other error is a bug."""
        try:
            with suppress(SimulatedCrash, MediaPosterError):
                what()
        except* MediaPosterError:
            pass
        self.begin()

    def close(self) -> None:
        """Close the video of an execution that broke off, as the rule behind it does, until it is closed."""
        for _ in range(CLOSES_MAX):
            try:
                self.world.close(CloseInput(video_id=VIDEO_ID, fault="execution FAILED"))
            except (SimulatedCrash, MediaPosterError):
                self.pass_time(60)
                continue
            return

    def do(self, what: str, post_id: str) -> None:
        """Do all of something as another worker."""
        step = PostStepInput(video_id=VIDEO_ID, post_id=post_id)
        doings: dict[str, Callable[[], object]] = {
            "create": lambda: self.world.create_post(step),
            "check": lambda: self.world.check_post(step),
            "sweep": self.world.sweep,
            "retry": lambda: self.world.repost(VIDEO_ID, PublishAgainRequest(), caller=a_caller()),
            "cancel": partial(self.do_cancel, post_id),
            "close": lambda: self.world.close(CloseInput(video_id=VIDEO_ID)),
            "approve": partial(self.answer, is_approved=True, words=None, approved=None),
        }
        self.call(doings[what])

    def do_cancel(self, post_id: str) -> None:
        self.world.reschedule.cancel(VIDEO_ID, post_id, caller=a_caller())

    def answer(self, *, is_approved: bool, words: str | None, approved: list[str] | None) -> None:
        """Approve, as it is or with other words or accounts, or reject."""
        edits: dict[str, Any] = {"text": words} if words else {}
        if approved is not None:
            edits["publish"] = [{"platform": "twitter", "account_id": account} for account in approved]
        decision = "approve" if is_approved else "reject"
        request = ApprovalRequest.model_validate(
            {"decision": decision, "edits": edits if is_approved and edits else None}
        )
        self.world.decide(VIDEO_ID, request, caller=a_caller())


def _nothing() -> None:
    """Let nothing happen meanwhile."""


Posting.TestCase.settings = settings(
    max_examples=int(os.environ.get("MEDIAPOSTER_EXAMPLES", "75")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPosting = Posting.TestCase
