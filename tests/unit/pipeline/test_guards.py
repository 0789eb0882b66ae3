"""Take away each guard of the money, the public, the alarms and what a key may do; a test must notice.

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
SWEEP = "tests/unit/pipeline/test_sweep.py"
RESUME = "tests/unit/pipeline/test_resume.py"
FINALIZE = "tests/unit/pipeline/test_finalize.py"
GENERATE = "tests/unit/pipeline/test_generate.py"
FALLBACK = "tests/unit/pipeline/test_fallback.py"
STORE_AGAIN = "tests/unit/pipeline/test_store_again.py"
VIDEOS = "tests/unit/library/test_videos.py"
MONEY = "tests/unit/pipeline/test_money.py"
LOST_AGAIN = f"{MONEY}::test_a_lost_submission_is_sent_again_only_while_the_limit_has_room_for_both"
CHARGED = f"{MONEY}::test_what_a_failed_render_was_charged_leaves_the_next_model_less_room"
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
        "return self._take_refusal(post, error)",
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
        "if post.state is PostState.PENDING:\n                return self._submit(post)",
        "if post.state in (PostState.PENDING, PostState.FAILED):\n"
        "                return self._submit(post.model_copy(update={'state': PostState.PENDING}))",
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
        "own = {item.listed_id: item for item in listed if _is_of(post, item)}",
        "own = {item.listed_id: item for item in listed if post.text == item.text}",
        (dies("two direct, the second call is lost"),),
    ),
    "a schedule is known by the copy that was made for it": Guard(
        "pipeline/look.py",
        "if item.account_id is not None and _is_of(post, item)}",
        "if post.text == item.text}",
        (dies("scheduled and staggered, the reply is lost"),),
    ),
    "what a list shows twice is one post": Guard(
        "pipeline/look.py",
        "own = {item.schedule_id: item for item in listed if",
        "own = {index: item for index, item in enumerate(listed) if",
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
        "if video.stage is Stage.PUBLISHING and waiting:\n            return",
        "if video.stage is Stage.PUBLISHING and not waiting:\n            return",
        (REPOST,),
    ),
    "of two requests at once one posts": Guard(
        "pipeline/repost.py",
        'changes.append(Replace(anew, before.version, {"state": [before.state]}))',
        "changes.append(Replace(anew, int(self._ledger.get_unchecked(post.video_id, post.target.post_id).version)))",
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
    # What is another's
    "the same media on another account is another post": Guard(
        "pipeline/look.py",
        "is_same_account = item.account_id in (None, target.account_id)",
        "is_same_account = True",
        (LOOK,),
    ),
    "the same media on another network is another post": Guard(
        "pipeline/look.py", 'and item.platform in ("", target.platform)', "", (LOOK,)
    ),
    "a schedule that nothing shows to be of this account is left alone": Guard(
        "pipeline/look.py", "if item.account_id is not None and _is_of(post, item)}", "if _is_of(post, item)}", (LOOK,)
    ),
    "a post is sent only where its video may be posted": Guard(
        "pipeline/publish.py", "if video.stage not in STAGES_OF_POSTING:", "if not video.stage:", (PUBLISH,)
    ),
    # Money
    "another try is promised what it may cost": Guard(
        "pipeline/generate.py",
        "more_micros=_count_missing_micros(video, attempts),",
        "more_micros=0,",
        (LOST_AGAIN, CHARGED),
    ),
    "another try is within the limit of the day": Guard(
        "library/budget.py",
        'budget_key(limit.owner, day), {"committed_micros": micros}, at_most=at_most, expires_at=_expiry(day)',
        'budget_key(limit.owner, day), {"committed_micros": micros}, at_most={}, expires_at=_expiry(day)',
        (LOST_AGAIN,),
    ),
    "another try is within the limit of the stack": Guard(
        "library/videos.py",
        "if reservation.of_stack:\n        limits",
        "if not reservation:\n        limits",
        (LOST_AGAIN,),
    ),
    "whoever finds a submission waits for its lease": Guard(
        "pipeline/generate.py",
        "if video.lease_expires_at is not None and self._clock() < video.lease_expires_at:",
        "if video.lease_expires_at is None:",
        (GENERATE,),
    ),
    "a lost submission is known only where one job fits": Guard(
        "ai/video_model_interface.py",
        "return len(self.matching) == 1 and not self.indistinct",
        "return bool(self.matching) and not self.indistinct",
        (FALLBACK,),
    ),
    "a lost submission is known only where no other job may be it": Guard(
        "ai/video_model_interface.py",
        "return len(self.matching) == 1 and not self.indistinct",
        "return len(self.matching) == 1",
        (FALLBACK,),
    ),
    "jobs of one prompt are told apart by their shape": Guard(
        "ai/video_model_interface.py",
        "return all(mine is None or theirs is None or mine == theirs for mine, theirs in told)",
        "return bool(told)",
        (FALLBACK,),
    ),
    "what may be the lost submission forbids another": Guard(
        "pipeline/generate.py", "may_resubmit = not found.may_have_it", "may_resubmit = True", (FALLBACK,)
    ),
    "a list that cannot be read forbids another": Guard(
        "pipeline/generate.py",
        "may_resubmit = False\n        return self._leave_unknown",
        "may_resubmit = True\n        return self._leave_unknown",
        (FALLBACK,),
    ),
    "a lost submission is sent again so often": Guard(
        "pipeline/generate.py",
        "if not is_allowed or sum(map(_is_lost, ended.attempts)) > RESUBMITS_MAX:",
        "if not is_allowed or sum(map(_is_lost, ended.attempts)) > 2 * RESUBMITS_MAX:",
        (FALLBACK,),
    ),
    "a job that another video has is not taken": Guard(
        "pipeline/generate.py",
        "if self._library.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None\n        ]",
        "if job.job_id\n        ]",
        (FALLBACK,),
    ),
    "a job belongs to one video": Guard(
        "library/videos.py", "together=[Create(claim)]", "together=[Put(claim)]", (GENERATE,)
    ),
    "only a job that no video has is cancelled": Guard(
        "pipeline/generate.py",
        "if self._library.find_video_of_job(video.provider, model.webhook_key(job.job_id)) is None:",
        "if job.job_id:",
        (GENERATE,),
    ),
    "a busy provider is waited for no longer than before": Guard(
        "pipeline/generate.py",
        "refused = video.copy_with(deadline_at=deadline_at)",
        "refused = video",
        (GENERATE,),
    ),
    "a paid submission has the time that its render should take": Guard(
        "pipeline/generate.py",
        "deadline_at=self._give_time(video, deadline_at, now),",
        "deadline_at=deadline_at,",
        (GENERATE,),
    ),
    "a download that may succeed is not given up": Guard(
        "pipeline/finalize.py", "if _may_pass(error) and now < again_at:", "if not error:", (FINALIZE,)
    ),
    "a render that was cancelled is not fetched again": Guard(
        "pipeline/store_again.py", " and not is_cancelled", "", (STORE_AGAIN,)
    ),
    "a post that may have been sent is not sent with a video that is fetched again": Guard(
        "pipeline/store_again.py", " and post.called_at is None]", "]", (STORE_AGAIN,)
    ),
    "only what was never started is taken as new under its key": Guard(
        "pipeline/submit.py",
        "return has_failed and not video.was_taken_up and not video.is_accepted",
        "return has_failed",
        (f"{MONEY}::test_a_try_that_failed_after_its_start_stays_the_answer_under_its_key",),
    ),
    "what a caller was answered with is not failed as never started": Guard(
        "pipeline/submit.py",
        "return self._library.note(video, now=self._clock(), is_accepted=True)",
        "return video",
        (f"{MONEY}::test_a_video_that_a_repeated_request_was_answered_with_is_started_and_not_failed_by_the_sweep",),
    ),
    # Alarms
    "whatever is not over is listed": Guard(
        "library/videos.py",
        "give_due_attributes(None if self.is_over else self.due_at or self.updated_at)",
        "give_due_attributes(None if self.is_over else self.due_at)",
        (VIDEOS,),
    ),
    "what was not told is not over": Guard(
        "library/videos.py",
        "return has_ended and is_settled and self.is_told",
        "return has_ended and is_settled",
        (VIDEOS,),
    ),
    "what was not settled is not over": Guard(
        "library/videos.py",
        "return has_ended and is_settled and self.is_told",
        "return has_ended and self.is_told",
        (VIDEOS,),
    ),
    "what a step may leave of a deleted video is listed": Guard(
        "library/videos.py",
        "[Delete(video.key, video.version), Put(leftovers), *books]",
        "[Delete(video.key, video.version), *books]",
        (SWEEP,),
    ),
    "DynamoDB compares an alarm before it moves": Guard(
        "library/table.py",
        'ConditionExpression="#name = :expected",',
        'ConditionExpression="attribute_exists(pk) OR #name = :expected",',
        (TABLE,),
    ),
    "a put knows its own write by its writer": Guard(
        "library/table.py", ".get(WRITER) == writer", ".get(WRITER) is not None", (TABLE,)
    ),
    "two sweeps visit a record once": Guard(
        "library/due.py",
        "return IndexEntry(entry.key, wanted) if is_ours else None",
        "return IndexEntry(entry.key, wanted)",
        (SWEEP,),
    ),
    "what another sweep has is not visited": Guard(
        "pipeline/sweep.py", "if claimed is None:", "if not entry:", (SWEEP,)
    ),
    "our own work comes before the publisher": Guard(
        "pipeline/sweep.py",
        "visited = self._visit_each(ours, deadline, faults)",
        "visited = self._visit_each(posts, deadline, faults)",
        (SWEEP,),
    ),
    "a sweep ends in time": Guard(
        "pipeline/sweep.py", "if self._monotonic() >= deadline:", "if self._monotonic() >= 2 * deadline:", (SWEEP,)
    ),
    "what waits for a person's word is not sent by the sweep": Guard(
        "pipeline/sweep.py", "elif video.stage in STAGES_OF_POSTING:", "else:", (SWEEP,)
    ),
    "a post of a deleted video is cancelled": Guard(
        "pipeline/sweep.py",
        "cancel_post(self._ledger, post, reason=_NOTHING_POSTED, now=self._clock())",
        "self._create_post(step)",
        (SWEEP,),
    ),
    "nothing is closed whose execution was not seen to have ended": Guard(
        "pipeline/resume.py", "elif status is None:", "elif status is None and may_go_on(video, now):", (RESUME,)
    ),
    "what an execution carries is left to it": Guard(
        "pipeline/resume.py",
        "if status is not None and not status.has_ended:",
        "if status is not None and not status:",
        (RESUME,),
    ),
    "a worker at the provider finds the record as it left it": Guard(
        "pipeline/resume.py",
        "if video.lease_expires_at is not None and now < video.lease_expires_at:",
        "if video.lease_expires_at is not None and now < video.created_at:",
        (RESUME,),
    ),
    "what waits for a slot is started by the dispatcher alone": Guard(
        "pipeline/resume.py", "if video.place is not None:", 'if video.place == "":', (RESUME,)
    ),
    "what its caller was told to send again is not started": Guard(
        "pipeline/resume.py", "if video.was_taken_up or video.is_accepted:", "if video.failure is None:", (RESUME,)
    ),
    "an execution in the place of another is numbered first": Guard(
        "pipeline/resume.py",
        "video = self._library.note(video, now=now, launch=video.launch + 1, is_accepted=True)",
        'video = video.model_copy(update={"launch": video.launch + 1})',
        (RESUME,),
    ),
    "no video goes on for ever": Guard(
        "pipeline/resume.py",
        "return video.failure is None and now < give_end(video)",
        "return video.failure is None",
        (RESUME,),
    ),
    "an execution carries no more posts than the machine has room for": Guard(
        "pipeline/resume.py", "for post in posts[:TARGETS_MAX]]", "for post in posts]", (RESUME,)
    ),
    "an execution that ends closes no video that another carries": Guard(
        "pipeline/finalize.py",
        "or (closing.launch is not None and closing.launch != video.launch)",
        "",
        (FINALIZE,),
    ),
    "what has time left is left to another execution": Guard(
        "pipeline/finalize.py",
        "if may_go_on(video, now):\n                self._leave",
        "if not video:\n                self._leave",
        (FINALIZE,),
    ),
    "what is left to another execution keeps why": Guard(
        "pipeline/finalize.py", "due_at=due_at, fault=fault or video.fault)", "due_at=due_at)", (FINALIZE,)
    ),
    "nothing is kept of a video that was deleted meanwhile": Guard(
        "pipeline/finalize.py", "            self._media.delete_video(video.id)\n", "", (FINALIZE,)
    ),
    "the bus is told once": Guard("pipeline/finalize.py", "if not video.is_told:", "if video.id:", (FINALIZE,)),
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
