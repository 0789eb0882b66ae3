"""Take away each guard that keeps a post from going out twice, or by a key that may not, and see that a test notices.

A guard is an exact piece of the package's source and what stands there without it. Whoever changes that piece changes
it here too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import TypeAdapter

import mediaposter
from tests.unit.pipeline.run_mutants import Mutant, Mutants

PACKAGE = Path(mediaposter.__file__).parent
ROOT = Path(__file__).parents[3]
ALL_RUN_SECONDS = 300

LEDGER = "tests/unit/library/test_posts.py"
TABLE = "tests/unit/library/test_table.py"
APPROVALS = "tests/unit/library/test_approvals.py"
PUBLISH = "tests/unit/pipeline/test_publish.py"
LOOK = "tests/unit/pipeline/test_look.py"
TRACK = "tests/unit/pipeline/test_track.py"
APPROVAL = "tests/unit/pipeline/test_approval.py"
REPOST = "tests/unit/pipeline/test_repost.py"
RESCHEDULE = "tests/unit/pipeline/test_reschedule.py"
KEYS = "tests/unit/pipeline/test_key_accounts.py"
BATCH_KEYS = "tests/unit/pipeline/test_take_batch.py::TestKeys"
BATCH_RATE = "tests/unit/pipeline/test_take_batch.py::TestRate"
RECORDED = "tests/unit/pipeline/test_recorded_events.py"
CRASHES = "tests/unit/pipeline/test_publish_crashes.py"


def dies(plan: str) -> str:
    """Name the test that kills the process at every point of a plan."""
    return f"{CRASHES}::test_a_death_anywhere_posts_nothing_twice_and_the_ledger_tells_the_truth[{plan}]"


def meets(plan: str, doing: str) -> str:
    """Name the test that lets another worker do something at every point of a plan."""
    test = "test_another_at_every_write_and_call_posts_nothing_twice_and_the_ledger_tells_the_truth"
    return f"{CRASHES}::{test}[{plan}-{doing}]"


class Guard(NamedTuple):
    """A guard: where it stands, what is there without it, and which tests miss it."""

    file: str
    source: str
    replacement: str
    tests: tuple[str, ...]


GUARDS: dict[str, Guard] = {
    # The ledger
    "a post is written only over the state that was read": Guard(
        "library/posts.py", 'allowed={"state": (post.state,)}', "allowed={}", (LEDGER,)
    ),
    "a post is written only over the version that was read": Guard(
        "library/posts.py",
        "expected_version=post.version,",
        'expected_version=int(self._table.get(post.key)["version"]),',
        (LEDGER,),
    ),
    "a transition is one of the table's": Guard(
        "library/posts.py", "if post.state not in earlier:", "if not earlier:", (LEDGER,)
    ),
    "only a post that was never sent is called": Guard(
        "library/posts.py",
        "PostState.CALLING: (PostState.PENDING,),",
        "PostState.CALLING: (PostState.PENDING, PostState.IN_DOUBT),",
        (LEDGER,),
    ),
    "a post in doubt never waits again": Guard(
        "library/posts.py",
        "PostState.PENDING: (PostState.CALLING, ",
        "PostState.PENDING: (PostState.CALLING, PostState.IN_DOUBT, ",
        (LEDGER,),
    ),
    "a published post stays so": Guard("library/posts.py", "*SETTLED_STATES[1:])", "*SETTLED_STATES)", (LEDGER,)),
    "only a call can be in doubt": Guard(
        "library/posts.py",
        "PostState.IN_DOUBT: (PostState.CALLING,),",
        "PostState.IN_DOUBT: (PostState.CALLING, PostState.SUBMITTED),",
        (LEDGER,),
    ),
    # The table
    "DynamoDB compares the version": Guard(
        "library/table.py", 'conditions = ["#version = :version"]', 'conditions = ["#version >= :version"]', (TABLE,)
    ),
    "DynamoDB compares the state": Guard(
        "library/table.py",
        """conditions.append(f"#state{index} IN ({', '.join(placeholders)})")""",
        """conditions.append(f"(attribute_exists(pk) OR #state{index} IN ({', '.join(placeholders)}))")""",
        (TABLE,),
    ),
    "DynamoDB creates nothing over another": Guard(
        "library/table.py",
        '"ConditionExpression": "attribute_not_exists(pk)",',
        '"ConditionExpression": "attribute_not_exists(nothing)",',
        (TABLE,),
    ),
    # The call
    "the intent is written before the call": Guard(
        "pipeline/publish.py",
        """        post = self._ledger.advance(
            post,
            PostState.CALLING,
            now=now,
            called_at=now,
            lease_expires_at=now + self._lease,
            due_at=now + self._lease + SWEEP_GRACE,
            scheduled_time=scheduled_time,
        )
        if""",
        """        post = post.model_copy(update={"called_at": now, "scheduled_time": scheduled_time})
        if""",
        (dies("two direct"),),
    ),
    "whoever finds a call waits for its lease": Guard(
        "pipeline/publish.py",
        "if post.lease_expires_at is not None and now < post.lease_expires_at:",
        "if post.lease_expires_at is None:",
        (PUBLISH,),
    ),
    "whoever finds an abandoned call does not send again": Guard(
        "pipeline/publish.py",
        "post = settle_abandoned_call(self._ledger, post, now=now)\n            if",
        "post = self._ledger.advance(post, PostState.PENDING, now=now)\n            if",
        (dies("two direct"),),
    ),
    "a lost reply is a doubt and no refusal": Guard(
        "pipeline/publish.py",
        "return self._go_on(put_in_doubt(self._ledger, post, error.message, now=self._clock()))",
        "return self._take_refusal(post, error, step)",
        (PUBLISH,),
    ),
    "a call of a post that is over is closed as one in doubt": Guard(
        "pipeline/publish.py",
        "if post.state is PostState.CALLING:\n        return settle_abandoned_call(ledger, post, now=now)",
        "if post.state is PostState.CALLING:\n        post = ledger.advance(post, PostState.PENDING, now=now)",
        (meets("two direct", "closes"),),
    ),
    "only a post that was never sent is sent": Guard(
        "pipeline/publish.py",
        "if post.state is PostState.PENDING:\n                return self._submit(post, step)",
        "if post.state in (PostState.PENDING, PostState.FAILED):\n"
        "                return self._submit(post.model_copy(update={'state': PostState.PENDING}), step)",
        (PUBLISH,),
    ),
    "the kept video is measured before it is sent": Guard(
        "pipeline/publish.py", "post.target.check_video(measure(video.stored))", "measure(video.stored)", (PUBLISH,)
    ),
    "a double safe post is scheduled, not public at once": Guard(
        "pipeline/publish.py",
        'return max(chosen, now + VERIFY_AHEAD) if post.delivery == "verified" else chosen',
        'return None if post.delivery == "verified" else chosen',
        (dies("verified, and made twice"),),
    ),
    # The look
    "nobody looks before a list can show it": Guard(
        "pipeline/look.py",
        "if now < give_next_look(post):",
        "if post.state is PostState.PENDING:",
        (dies("verified, and made twice, the reply is lost and the list lags"),),
    ),
    "a post that a list does not show is looked for again": Guard(
        "pipeline/look.py",
        "if looks < len(LOOKS_AFTER_SECONDS):",
        "if looks < 1:",
        (dies("direct, the reply is lost and the list lags"),),
    ),
    "a post is known by the copy that was made for it": Guard(
        "pipeline/look.py",
        "own = {item.listed_id: item for item in listed if post.media_url in item.media_urls}",
        "own = {item.listed_id: item for item in listed if post.text == item.text}",
        (dies("two direct, the second call is lost"),),
    ),
    "a schedule is known by the copy that was made for it": Guard(
        "pipeline/look.py",
        "for item in publisher.list_schedules() if post.media_url in item.media_urls}",
        "for item in publisher.list_schedules() if post.text == item.text}",
        (dies("scheduled and staggered, the reply is lost"),),
    ),
    "what a list shows twice is one post": Guard(
        "pipeline/look.py",
        "own = {item.schedule_id: item for item in publisher.list_schedules()",
        "own = {index: item for index, item in enumerate(publisher.list_schedules())",
        (dies("two verified, and made twice, the list shows it twice"),),
    ),
    "a copy too many is taken away": Guard(
        "pipeline/look.py",
        "if schedule is not kept and publisher.cancel_schedule(schedule.schedule_id):",
        "if schedule is not kept:",
        (dies("verified, and made twice"),),
    ),
    "beside a public copy none that is to come is kept": Guard(
        "pipeline/look.py",
        "kept = None if copies.published or not copies.scheduled else copies.scheduled[0]",
        "kept = copies.scheduled[0] if copies.scheduled else None",
        (LOOK,),
    ),
    "a list that is not answered proves nothing": Guard(
        "pipeline/look.py",
        "return self._take_failed_look(post, error, now)",
        "return self._park(post, str(error), now)",
        (LOOK,),
    ),
    # The end
    "of copies that were made of one call none is told apart by its id": Guard(
        "pipeline/track.py",
        "post = self._ledger.note(post, submission_id=None)",
        "post = self._ledger.note(post)",
        (dies("verified, and made twice"),),
    ),
    "a double safe post is verified": Guard(
        "pipeline/track.py",
        'return post if post.is_verified or post.delivery != "verified" else self._verify(post)',
        "return post",
        (dies("verified, and made twice"),),
    ),
    "an end is told once": Guard(
        "pipeline/track.py",
        "if post.is_told or post.state not in STATES_TO_TELL:",
        "if post.state not in STATES_TO_TELL:",
        (TRACK,),
    ),
    "what is in progress for long is unknown, and not failed": Guard(
        "pipeline/track.py",
        "return self._leave_to_a_person(post, reason, now)",
        "return self._end(post, PostStatus.FAILED, now, error_message=reason)",
        (TRACK,),
    ),
    # People
    "a question is answered once": Guard(
        "library/approvals.py",
        "    if approval.decision is not Decision.WAITING:\n        raise Conflict(",
        "    if approval.decision is approval.decision.EXPIRED:\n        raise Conflict(",
        (APPROVALS,),
    ),
    "of two answers at once one is taken": Guard(
        "library/approvals.py",
        'return Replace(decided, approval.version, {"decision": [Decision.WAITING]})',
        "from mediaposter.library.table import Put\n\n    return Put(decided)",
        (APPROVALS,),
    ),
    "the first answer holds": Guard(
        "pipeline/approval.py",
        "if approval.decision is not Decision.WAITING:\n            self._tell(approval)\n"
        "            raise AlreadyDecided(",
        "if approval.decision is approval.decision.EXPIRED:\n            self._tell(approval)\n"
        "            raise AlreadyDecided(",
        (APPROVAL,),
    ),
    "an account takes a video once": Guard(
        "pipeline/repost.py", "_refuse_what_may_be_public(wanted, known)\n        else", "pass\n        else", (REPOST,)
    ),
    "a video that is being posted is not posted again": Guard(
        "pipeline/repost.py",
        "if video.stage is not Stage.DONE or video.stored is None:",
        "if video.stored is None:",
        (REPOST,),
    ),
    "posts that are written down are started, not written down again": Guard(
        "pipeline/repost.py",
        "if video.stage is Stage.PUBLISHING and video.posting_run:\n            return",
        "if video.stage is Stage.PUBLISHING and not video.posting_run:\n            return",
        (REPOST,),
    ),
    "of two requests at once one posts": Guard(
        "pipeline/repost.py",
        'changes.append(Replace(anew, before.version, {"state": [before.state]}))',
        "changes.append(Replace(anew, int(self._ledger.get(post.video_id, post.target.post_id).version)))",
        (REPOST,),
    ),
    "a person is asked about nothing that is known": Guard(
        "pipeline/repost.py", "if post.state not in STATES_FOR_A_PERSON:", "if not post.state:", (REPOST,)
    ),
    "while others are sent none is sent again": Guard(
        "pipeline/repost.py",
        "if video.stage is not Stage.DONE:\n            raise",
        "if not video.stage:\n            raise",
        (REPOST,),
    ),
    "only a post that waits for its time is moved or cancelled": Guard(
        "pipeline/reschedule.py", "if post.state is not PostState.SCHEDULED:", "if not post.state:", (RESCHEDULE,)
    ),
    "a sooner time is written down before it can come true": Guard(
        "pipeline/reschedule.py",
        "if schedule_ids and post.scheduled_time is not None and request.scheduled_time < post.scheduled_time:",
        "if post.scheduled_time is None:",
        (RESCHEDULE,),
    ),
    "a copy that could not be taken away is going out": Guard(
        "pipeline/reschedule.py", "if not all(cancelled) or not (", "if not (", (RESCHEDULE,)
    ),
    "a post that is not listed yet was not cancelled": Guard(
        "pipeline/reschedule.py",
        "return publisher.get_post(post.submission_id).status is PostStatus.IN_PROGRESS",
        "return True",
        (dies("cancelled and posted again, the list lags"),),
    ),
    # What a key may do
    "a new video is posted to the accounts of its key alone": Guard(
        "pipeline/submit.py", "caller.require_publishing(order.request.publish)", "pass", (KEYS,)
    ),
    "an estimate says what the request would be refused for": Guard(
        "pipeline/submit.py", "caller.require_publishing(request.publish)", "pass", (KEYS,)
    ),
    "an account is one of its network": Guard(
        "library/keys.py", 'return f"{platform}:{account_id}"', "return account_id", (KEYS,)
    ),
    "a video is posted again to the accounts of the key alone": Guard(
        "pipeline/repost.py", 'caller.require_accounts(request.publish, field="publish")', "pass", (KEYS,)
    ),
    "a rejection is not undone by who may only publish": Guard(
        "pipeline/repost.py", "caller.require(Scope.APPROVE)", "pass", (KEYS,)
    ),
    "what failed is sent again to the accounts of the key alone": Guard(
        "pipeline/repost.py", "caller.require_accounts([post.target for post in failed])", "pass", (KEYS,)
    ),
    "a post is resolved on the accounts of the key alone": Guard(
        "pipeline/repost.py", "caller.require_accounts([post.target])", "pass", (KEYS,)
    ),
    "a post is moved or cancelled on the accounts of the key alone": Guard(
        "pipeline/reschedule.py", "caller.require_accounts([post.target])", "pass", (KEYS,)
    ),
    "who may publish does not approve": Guard(
        "pipeline/approval.py", "caller.require(Scope.APPROVE)", "caller.require(Scope.PUBLISH)", (KEYS,)
    ),
    "a decision is over the accounts of the key alone": Guard(
        "pipeline/approval.py",
        "caller.require_accounts([post.target for post in self._list_waiting(video)])",
        "pass",
        (KEYS,),
    ),
    "an edit is to the accounts of the key alone": Guard(
        "pipeline/approval.py",
        'caller.require_accounts(request.edits.publish, field="edits.publish")',
        "pass",
        (KEYS,),
    ),
    "a row is taken by what its key may do now": Guard(
        "pipeline/take_batch.py",
        "return None if api_key is None else caller.as_key_is_now(api_key)",
        "return None if api_key is None else caller",
        (BATCH_KEYS,),
    ),
    "a row is taken for a key that may create": Guard(
        "pipeline/take_batch.py", "caller.require(Scope.CREATE)", "pass", (BATCH_KEYS,)
    ),
    "a key that is gone takes no more rows": Guard(
        "pipeline/take_batch.py",
        "return None if api_key is None else caller.as_key_is_now(api_key)",
        "return caller if api_key is None else caller.as_key_is_now(api_key)",
        (BATCH_KEYS,),
    ),
    "a batch counts in the minute of its key": Guard(
        "pipeline/open_batch.py",
        "if caller.rate_per_minute is not None:\n            # The",
        "if False:\n            # The",
        (BATCH_RATE,),
    ),
    "rows leave a minute some room": Guard(
        "pipeline/take_batch.py",
        'caller = caller.model_copy(update={"rate_per_minute": rows_per_minute})',
        "pass",
        (BATCH_RATE,),
    ),
    "an event is told if the table says the same of the same": Guard(
        "pipeline/recorded_events.py",
        "(recorded.id, recorded.owner) != (event.id, event.owner)",
        "recorded.owner != event.owner",
        (RECORDED,),
    ),
    "an event is told if its owner is that of the table": Guard(
        "pipeline/recorded_events.py",
        "(recorded.id, recorded.owner) != (event.id, event.owner)",
        "recorded.id != event.id",
        (RECORDED,),
    ),
    "a batch that is at work has not ended": Guard(
        "pipeline/recorded_events.py",
        "return describe_batch(batch) if batch.stage is BatchStage.DONE else None",
        "return describe_batch(batch)",
        (RECORDED,),
    ),
    "a video that is being made has not ended": Guard(
        "pipeline/recorded_events.py",
        "return describe_end(video) if video.status in (VideoStatus.COMPLETED, VideoStatus.FAILED) else None",
        "return describe_end(video)",
        (RECORDED,),
    ),
}


def count_sources(guard: Guard) -> int:
    return (PACKAGE / guard.file).read_text(encoding="utf-8").count(guard.source)


@pytest.fixture(scope="module")
def exit_codes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Run all tests without a change, and those of each guard without it."""
    copy = tmp_path_factory.mktemp("mutants")
    shutil.copytree(PACKAGE, copy / PACKAGE.name)
    found = {name: guard for name, guard in GUARDS.items() if count_sources(guard) == 1}
    every_test = tuple(dict.fromkeys(test for guard in GUARDS.values() for test in guard.tests))
    mutants = [Mutant(file="__init__.py", source="", replacement="", tests=every_test)]
    mutants += [Mutant.model_validate(guard._asdict()) for guard in found.values()]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.pipeline.run_mutants", str(copy)],
        input=Mutants.dump_json(mutants),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(copy)},
        timeout=ALL_RUN_SECONDS,
        check=True,
    )
    codes = TypeAdapter(list[int]).validate_json(ended.stdout)
    return dict(zip(["", *found], codes, strict=True))


def test_with_all_its_guards_every_test_passes(exit_codes: dict[str, int]) -> None:
    assert exit_codes[""] == pytest.ExitCode.OK


@pytest.mark.parametrize("name", GUARDS)
def test_a_test_fails_without_the_guard(name: str, exit_codes: dict[str, int]) -> None:
    guard = GUARDS[name]
    assert count_sources(guard) == 1, (
        f"The source of this guard is not found once in {guard.file}: it was changed. See that the guard still stands, "
        "and update GUARDS in this file."
    )
    assert exit_codes[name] == pytest.ExitCode.TESTS_FAILED, f"{guard.tests} pass without it"
