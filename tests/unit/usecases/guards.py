"""The guards: the marker of each, what it is to take it away, and the tests that must fail then."""

from __future__ import annotations

import ast
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel

from mediaposter.stores.keys import ApiKey
from mediaposter.stores.posts import Post, PostState, PostStore
from mediaposter.stores.table import Create, Put, Record, Replace
from mediaposter.stores.videos import VideoStore
from mediaposter.usecases.generation.start_generation import RESUBMITS_MAX
from mediaposter.usecases.posting.create_post import settle_abandoned_call
from mediaposter.wire.caller import Caller
from tests.unit.usecases.mutations import (
    Mutation,
    accept_any_record,
    add_element,
    always,
    call,
    compare,
    drop,
    drop_argument,
    drop_element,
    drop_operand,
    give,
    keep_every_item,
    leave_argument,
    leave_subject,
    never,
    take_whole,
)


class Guard(NamedTuple):
    """A guard: its marker, what takes it away, and the tests that must fail without it, by function and parameters."""

    marker: str
    mutations: tuple[Mutation, ...]
    tests: tuple[str, ...]


class _AnyVersion(Decimal):
    """A version that is equal to every other; a table keeps numbers as decimals."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def put_over(record: Record, *_: object, **_named: object) -> Put:
    """Write a record over whatever is there."""
    return Put(record)


def only_in_memory(_store: object, record: BaseModel, *_: object, **changes: object) -> BaseModel:
    """Change a record, and write nothing down."""
    return record.model_copy(update={name: to for name, to in changes.items() if name in type(record).model_fields})


def wait_again(post_store: PostStore, post: Post, *, now: datetime) -> Post:
    """Take a call for one that was never made."""
    return post_store.advance(post, PostState.PENDING, now=now)


def as_it_was_if_gone(caller: Caller, api_key: ApiKey | None) -> Caller | None:
    """Let a key that is gone do what it could do."""
    return caller if api_key is None else caller.as_key_is_now(api_key)


def dies(plan: str) -> str:
    """Name the test that kills the process at every point of a plan."""
    return f"test_a_death_anywhere_posts_nothing_twice_and_the_ledger_tells_the_truth[{plan}]"


def meets(plan: str, doing: str) -> str:
    """Name the test that lets another worker do something at every point of a plan."""
    return f"test_another_at_every_write_and_call_posts_nothing_twice_and_the_ledger_tells_the_truth[{plan}-{doing}]"


ANY_VERSION = _AnyVersion()
GUARDS: dict[str, Guard] = {
    # The ledger
    "a post is written only over the state that was read": Guard(
        "as read", (give({}, argument=2),), ("test_a_post_the_table_knows_further_on_is_not_written_over",)
    ),
    "a post is written only over the version that was read": Guard(
        "as read", (give(ANY_VERSION, argument=1),), ("test_of_two_notes_of_one_version_the_second_is_a_conflict",)
    ),
    "a transition is one of the table's": Guard(
        "known transition", (never,), ("test_only_these_transitions_can_be_made",)
    ),
    "only a post that was never sent is called": Guard(
        "called once",
        (add_element(PostState.IN_DOUBT),),
        ("test_only_these_transitions_can_be_made[in_doubt-calling]",),
    ),
    "a post in doubt never waits again": Guard(
        "back to pending",
        (add_element(PostState.IN_DOUBT),),
        ("test_only_these_transitions_can_be_made[in_doubt-pending]",),
    ),
    "a published post stays so": Guard(
        "back to pending",
        (add_element(PostState.PUBLISHED),),
        ("test_only_these_transitions_can_be_made[published-pending]",),
    ),
    "only a call can be in doubt": Guard(
        "doubt of a call",
        (add_element(PostState.SUBMITTED),),
        ("test_only_these_transitions_can_be_made[submitted-in_doubt]",),
    ),
    # The table
    "DynamoDB compares the version": Guard(
        "version compared", (accept_any_record,), ("test_a_stale_writer_has_a_conflict_and_changes_nothing[dynamodb]",)
    ),
    "DynamoDB compares the state": Guard(
        "state compared",
        (accept_any_record,),
        ("test_every_state_must_allow_it_though_the_version_matches",),
    ),
    "DynamoDB creates nothing over another": Guard(
        "create only new", (accept_any_record,), ("test_a_record_is_created_once[dynamodb]",)
    ),
    # The call
    "the intent is written before the call": Guard(
        "intent first", (call(only_in_memory, instead_of=PostStore.advance),), (dies("two direct"),)
    ),
    "a step that finds a call waits for its lease": Guard(
        "call lease", (never,), ("test_a_second_worker_that_comes_during_the_call_waits_for_the_lease",)
    ),
    "a step that finds an abandoned call does not send again": Guard(
        "call not repeated", (call(wait_again, instead_of=settle_abandoned_call),), (dies("two direct"),)
    ),
    "a lost reply is a doubt and no refusal": Guard(
        "lost reply", (drop,), ("test_a_lost_answer_puts_the_post_in_doubt_and_it_is_never_sent_again",)
    ),
    "a call of a post that is over is closed as one in doubt": Guard(
        "closed in doubt", (call(wait_again, instead_of=settle_abandoned_call),), (meets("two direct", "closes"),)
    ),
    "only a post that was never sent is sent": Guard(
        "never sent", (always,), ("test_coming_back_after_the_submission_posts_nothing_again",)
    ),
    "the kept video is measured before it is sent": Guard(
        "video measured", (drop,), ("test_what_was_made_is_measured_before_it_is_uploaded",)
    ),
    "a double safe post is scheduled, not public at once": Guard(
        "not public at once", (never,), (dies("verified, and made twice"),)
    ),
    # The look
    "a post is looked for only when a list can show it": Guard(
        "list may lag", (never,), (dies("verified, and made twice, the reply is lost and the list lags"),)
    ),
    "a post that a list does not show is looked for again": Guard(
        "asked again", (never,), (dies("direct, the reply is lost and the list lags"),)
    ),
    "a post is known by the copy that was made for it": Guard(
        "own copy", (always,), (dies("two direct, the second call is lost"),)
    ),
    "a schedule is known by the copy that was made for it": Guard(
        "own schedule", (drop_operand(1),), (dies("scheduled and staggered, the reply is lost"),)
    ),
    "what a list shows twice is one post": Guard(
        "own schedule", (keep_every_item,), (dies("two verified, and made twice, the list shows it twice"),)
    ),
    "a copy too many is taken away": Guard(
        "surplus cancelled", (drop_operand(1),), (dies("verified, and made twice"),)
    ),
    "beside a public copy none that is to come is kept": Guard(
        "none beside public", (drop_operand(0),), ("test_beside_a_public_copy_those_still_to_come_are_taken_away",)
    ),
    "a list that is not answered proves nothing": Guard(
        "unanswered list", (never,), ("test_a_look_that_is_not_answered_does_not_count",)
    ),
    # The end
    "of copies that were made of one call none is told apart by its id": Guard(
        "id forgotten", (drop_argument(1),), (dies("verified, and made twice"),)
    ),
    "a double safe post is verified": Guard("double safe", (always,), (dies("verified, and made twice"),)),
    "an end is told once": Guard(
        "post event once", (drop_operand(0),), ("test_a_published_post_is_kept_with_its_address_and_told_once",)
    ),
    "what is in progress for long is unknown, and not failed": Guard(
        "left to a person",
        (give(PostState.FAILED, argument=1),),
        ("test_a_post_that_is_in_progress_for_a_quarter_of_an_hour_is_unknown_and_never_failed",),
    ),
    # People
    "a question is answered once": Guard(
        "answered once", (never,), ("test_a_question_that_is_answered_takes_no_other_answer",)
    ),
    "of two answers at once one is taken": Guard(
        "one answer", (call(put_over, instead_of=Replace),), ("test_of_two_answers_to_one_question_the_first_is_kept",)
    ),
    "the first answer holds": Guard("first answer", (never,), ("test_the_first_decision_holds",)),
    "an account takes a video once": Guard("account once", (drop,), ("test_an_account_takes_a_video_once",)),
    "a video that is being posted is not posted again": Guard(
        "kept and done", (drop_operand(0),), ("test_a_video_that_is_not_kept_or_at_work_is_not_posted_again",)
    ),
    "posts that are written down are started, not written down again": Guard(
        "posts written", (never,), ("test_asking_again_starts_them",)
    ),
    "of two requests at once one posts": Guard(
        "one request",
        (call(put_over, instead_of=Replace),),
        ("test_a_post_that_is_public_meanwhile_is_not_sent_again",),
    ),
    "a person is asked about nothing that is known": Guard(
        "for a person", (never,), ("test_no_other_post_can_be_resolved",)
    ),
    "while others are sent none is sent again": Guard(
        "nothing under way", (never,), ("test_while_others_are_sent_a_post_can_be_told_of_but_not_sent_again",)
    ),
    "only a post that waits for its time is moved or cancelled": Guard(
        "only scheduled", (never,), ("test_only_a_scheduled_post_can_be_changed",)
    ),
    "a sooner time is written down before it can come true": Guard(
        "sooner first", (never,), ("test_a_sooner_time_is_written_down_before_it_can_come_true",)
    ),
    "a copy that could not be taken away is going out": Guard(
        "going out", (drop_operand(0),), ("test_a_post_that_goes_out_while_it_is_cancelled_is_gone",)
    ),
    "a post that is not listed yet was not cancelled": Guard(
        "not listed yet", (give(value=True),), (dies("cancelled and posted again, the list lags"),)
    ),
    # What is another's
    "the same media on another account is another post": Guard(
        "own account", (give(value=True),), ("test_the_same_media_elsewhere_is_another_post",)
    ),
    "the same media on another network is another post": Guard(
        "own network", (drop_operand(2),), ("test_the_same_media_elsewhere_is_another_post",)
    ),
    "a schedule that nothing shows to be of this account is left alone": Guard(
        "own schedule",
        (drop_operand(0),),
        ("test_a_schedule_that_nothing_shows_to_be_of_this_account_is_neither_adopted_nor_taken_away",),
    ),
    "a post is sent only where its video may be posted": Guard(
        "posting stage", (never,), ("test_nothing_is_sent_of_a_video_that_may_not_be_posted_yet",)
    ),
    # Money
    "another try is promised what it may cost": Guard(
        "money promised",
        (give(0),),
        (
            "test_a_lost_submission_is_sent_again_only_while_the_limit_has_room_for_both",
            "test_what_a_failed_render_was_charged_leaves_the_next_model_less_room",
        ),
    ),
    "another try is within the limit of the day": Guard(
        "day limit",
        (give({}, argument=2),),
        ("test_a_lost_submission_is_sent_again_only_while_the_limit_has_room_for_both",),
    ),
    "a record from before the months counts in none": Guard(
        "older records", (always,), ("test_a_record_from_before_the_months_is_settled_on_its_day_alone",)
    ),
    "a limit is told of once": Guard("warned once", (never,), ("test_a_limit_is_told_once_when_four_fifths_are_used",)),
    "the stack's limit is told to no owner of a key": Guard(
        "own receiver", (never,), ("test_the_stacks_limit_is_told_to_no_receiver_of_a_key",)
    ),
    "another try is within the limit of the stack": Guard(
        "stack limit", (never,), ("test_a_lost_submission_is_sent_again_only_while_the_limit_has_room_for_both",)
    ),
    "a step that finds a submission waits for its lease": Guard(
        "submission lease", (never,), ("test_a_second_worker_that_comes_during_the_call_waits_for_the_lease",)
    ),
    "a lost submission is known only where one job fits": Guard(
        "one certain job",
        (compare(ast.GtE()),),
        ("test_two_lost_submissions_that_nothing_tells_apart_stay_unknown_and_are_not_sent_again",),
    ),
    "a lost submission is known only where no other job may be it": Guard(
        "one certain job", (drop_operand(1),), ("test_a_job_that_fits_is_not_taken_while_another_may_be_the_one",)
    ),
    "jobs of one prompt are told apart by their shape": Guard(
        "matched by shape",
        (give(value=True),),
        ("test_two_lost_submissions_of_one_prompt_are_told_apart_by_their_shapes",),
    ),
    "what may be the lost submission forbids another": Guard(
        "may be lost job",
        (give(value=True),),
        ("test_two_lost_submissions_that_nothing_tells_apart_stay_unknown_and_are_not_sent_again",),
    ),
    "a list that cannot be read forbids another": Guard(
        "unread list forbids",
        (give(value=True),),
        ("test_a_list_that_cannot_be_read_for_a_day_leaves_the_submission_unknown_and_is_no_reason_to_pay_twice",),
    ),
    "a lost submission is sent again so often": Guard(
        "resubmits counted",
        (compare(ast.Gt(), to=2 * RESUBMITS_MAX),),
        ("test_a_submission_that_is_lost_again_and_again_is_given_up",),
    ),
    "a job that another video has is not taken": Guard(
        "job of another", (always,), ("test_a_job_that_another_video_has_is_not_taken_from_it",)
    ),
    "a job belongs to one video": Guard(
        "one video a job", (call(put_over, instead_of=Create),), ("test_a_job_that_another_video_has_is_not_cancelled",)
    ),
    "only a job that no video has is cancelled": Guard(
        "unowned job", (always,), ("test_a_job_that_another_video_has_is_not_cancelled",)
    ),
    "a busy provider is waited for no longer than before": Guard(
        "busy deadline", (leave_subject,), ("test_a_submission_that_is_refused_is_given_no_more_time",)
    ),
    "a paid submission has the time that its render should take": Guard(
        "render time",
        (leave_argument(1),),
        ("test_a_submission_late_in_its_time_is_given_what_its_render_should_take",),
    ),
    "a download that may succeed is not given up": Guard(
        "download again", (never,), ("test_what_may_pass_leaves_the_video_to_the_sweep_longer_each_time",)
    ),
    "a render that was cancelled is not fetched again": Guard(
        "uncancelled", (drop_operand(2),), ("test_where_there_is_no_finished_render_nothing_is_changed",)
    ),
    "a post that may have been sent is not sent with a video that is fetched again": Guard(
        "unsent", (drop_operand(1),), ("test_a_post_that_may_have_been_sent_is_not_sent_again",)
    ),
    "only what was never started is taken as new under its key": Guard(
        "never started",
        (drop_operand(1),),
        ("test_a_try_that_failed_after_its_start_stays_the_answer_under_its_key",),
    ),
    "what a caller was answered with is not failed as never started": Guard(
        "caller acknowledged",
        (call(only_in_memory, instead_of=VideoStore.note),),
        ("test_a_video_that_a_repeated_request_was_answered_with_is_started_and_not_failed_by_the_sweep",),
    ),
    # Alarms
    "whatever is not over is listed": Guard(
        "listed until over", (drop_operand(1),), ("test_a_video_has_an_alarm_as_long_as_it_is_not_over",)
    ),
    "what was not told is not over": Guard(
        "nothing left", (drop_operand(2),), ("test_a_video_has_an_alarm_as_long_as_it_is_not_over",)
    ),
    "what was not settled is not over": Guard(
        "nothing left", (drop_operand(1),), ("test_a_video_has_an_alarm_as_long_as_it_is_not_over",)
    ),
    "what a step may leave of a deleted video is listed": Guard(
        "leftovers listed", (drop_element(1),), ("test_what_a_step_left_of_a_deleted_video_is_cleared_up",)
    ),
    "DynamoDB compares an alarm before it moves": Guard(
        "alarm compared",
        (accept_any_record,),
        ("test_an_attribute_is_swapped_if_it_is_what_was_seen_without_a_new_version[dynamodb]",),
    ),
    "a put knows its own write by its writer": Guard(
        "own write", (give(value=True),), ("test_a_stale_writer_has_a_conflict_and_changes_nothing[dynamodb]",)
    ),
    "two sweeps visit a record once": Guard("swept once", (always,), ("test_two_sweeps_visit_a_record_once",)),
    "what another sweep has is not visited": Guard("swept by one", (never,), ("test_two_sweeps_visit_a_record_once",)),
    "our own work comes before the publisher": Guard(
        "ours first", (always,), ("test_our_own_work_comes_first_then_those_who_wait_and_last_what_asks_the_publisher",)
    ),
    "a sweep ends in time": Guard(
        "in time", (never,), ("test_a_publisher_that_hangs_holds_nothing_of_ours_up_and_ends_the_sweep_in_time",)
    ),
    "what waits for a person's word is not sent by the sweep": Guard(
        "word awaited", (always,), ("test_a_post_that_waits_for_a_persons_word_is_not_sent",)
    ),
    "a post of a deleted video is cancelled": Guard(
        "deleted cancelled", (drop,), ("test_a_post_of_a_deleted_video_is_cancelled_and_not_sent",)
    ),
    "nothing is closed whose execution was not seen to have ended": Guard(
        "seen to end",
        (never,),
        ("test_what_the_service_shows_no_execution_of_is_started_under_the_same_name_and_never_closed",),
    ),
    "what an execution carries is left to it": Guard(
        "still running", (never,), ("test_what_an_execution_carries_is_left_to_it",)
    ),
    "a worker at the provider finds the record as it left it": Guard(
        "worker lease", (never,), ("test_what_a_worker_is_at_is_left_until_its_lease_has_run_out",)
    ),
    "what waits for a slot is started by the dispatcher alone": Guard(
        "waits for slot", (never,), ("test_what_waits_for_a_slot_is_left_to_the_dispatcher",)
    ),
    "what its caller was told to send again is not started": Guard(
        "never taken up", (always,), ("test_what_was_never_started_nor_acknowledged_fails_and_may_be_sent_again",)
    ),
    "an execution in the place of another is numbered first": Guard(
        "numbered first",
        (call(only_in_memory, instead_of=VideoStore.note),),
        ("test_what_has_time_left_is_carried_on_by_another_execution",),
    ),
    "no video goes on for ever": Guard(
        "time left",
        (drop_operand(1),),
        ("test_what_has_no_time_left_is_closed_with_the_reason_why_the_last_execution_broke_off",),
    ),
    "an execution carries no more posts than the machine has room for": Guard(
        "posts max", (take_whole,), ("test_one_execution_carries_no_more_posts_than_a_request_names",)
    ),
    "an execution that ends closes no video that another carries": Guard(
        "carried", (drop_operand(1),), ("test_a_late_close_leaves_the_posts_of_a_newer_execution_alone",)
    ),
    "what has time left is left to another execution": Guard(
        "left to another", (never,), ("test_a_video_that_may_go_on_is_left_to_another_execution_with_the_reason_why",)
    ),
    "what is left to another execution keeps why": Guard(
        "fault kept",
        (drop_argument(3),),
        ("test_a_video_that_may_go_on_is_left_to_another_execution_with_the_reason_why",),
    ),
    "nothing is kept of a video that was deleted meanwhile": Guard(
        "deleted leaves nothing", (drop,), ("test_a_store_that_ends_after_a_deletion_leaves_nothing",)
    ),
    "the bus is told once": Guard(
        "video event once", (always,), ("test_closing_again_changes_nothing_and_sends_no_event_again",)
    ),
    # What a key may do
    "a new video is posted to the accounts of its key alone": Guard(
        "accounts submitted",
        (drop,),
        ("test_a_new_video_is_not_posted_to_an_account_that_is_not_the_keys[POST /videos]",),
    ),
    "an estimate says what the request would be refused for": Guard(
        "accounts estimated", (drop,), ("test_a_new_video_is_not_posted_to_an_account_that_is_not_the_keys[dry run]",)
    ),
    "an account is one of its network": Guard(
        "account of network",
        (drop_element(0),),
        ("test_a_new_video_is_not_posted_to_an_account_that_is_not_the_keys[POST /videos]",),
    ),
    "a video is posted again to the accounts of the key alone": Guard(
        "accounts reposted", (drop,), ("test_a_post_on_an_account_that_is_not_the_keys_is_left_as_it_is[repost]",)
    ),
    "a rejection is not undone by who may only publish": Guard(
        "scope approve repost", (drop,), ("test_what_was_rejected_is_not_posted_by_who_may_only_publish",)
    ),
    "posts wait for a person where the stack says so": Guard(
        "approval by default", (give(None, argument=0),), ("test_posts_wait_unless_an_approver_says_none[unsaid]",)
    ),
    "only an approver needs no approval": Guard(
        "none by approvers",
        (give(None, argument=0),),
        ("test_posts_wait_unless_an_approver_says_none[none by another]",),
    ),
    "an agent's same call is the same video": Guard(
        "same call", (give(None),), ("test_the_same_call_is_the_same_video[equal]",)
    ),
    "only an approver's tool posts at once": Guard(
        "agents wait",
        (drop_operand(1),),
        ("test_posts_wait_for_a_person_unless_an_approver_says_none[post_video-none by an agent]",),
    ),
    "a price above max_cost_usd is refused": Guard(
        "max cost", (drop,), ("test_a_price_above_is_refused_and_nothing_is_recorded",)
    ),
    "that captions are asked for is written down first": Guard(
        "captions announced",
        (drop,),
        (
            "test_the_cost_of_captions_is_spent_and_in_the_usage_by_their_model",
            "test_while_one_try_asks_another_is_told_to_come_again",
        ),
    ),
    "while one try asks for captions no other does": Guard(
        "captions pending", (drop,), ("test_while_one_try_asks_another_is_told_to_come_again",)
    ),
    "captions are asked for twice at most": Guard(
        "captions asked twice", (drop,), ("test_a_model_is_asked_twice_at_most_for_one_request",)
    ),
    "captions keep within max_cost_usd": Guard("max cost of captions", (drop,), ("test_max_cost_counts_captions",)),
    "captions alone keep within the limit of the day": Guard(
        "captions counted", (drop,), ("test_captions_that_exceed_the_day_are_refused_and_no_model_is_asked",)
    ),
    "who asks for an approval may publish": Guard(
        "scope publish asked", (drop,), ("test_a_key_asks_only_about_what_it_may_post[no scope]",)
    ),
    "who asks for an approval may post to the accounts": Guard(
        "accounts asked", (drop,), ("test_a_key_asks_only_about_what_it_may_post[another account]",)
    ),
    "nothing is asked while posts wait for a person": Guard(
        "kept and done asked", (drop,), ("test_other_posts_wait_until_the_question_is_answered",)
    ),
    "an account is not asked about twice": Guard(
        "account asked once", (drop,), ("test_an_account_takes_a_video_once_here_too",)
    ),
    "where the stack wants approvals only an approver posts a kept video": Guard(
        "default repost", (drop_operand(1),), ("test_a_kept_video_is_posted_to_more_targets_by_approvers_alone",)
    ),
    "what failed is sent again to the accounts of the key alone": Guard(
        "accounts retried",
        (drop,),
        ("test_a_post_on_an_account_that_is_not_the_keys_is_left_as_it_is[repost of what failed]",),
    ),
    "a post is resolved on the accounts of the key alone": Guard(
        "accounts resolved", (drop,), ("test_a_post_on_an_account_that_is_not_the_keys_is_left_as_it_is[resolve]",)
    ),
    "a post is moved or cancelled on the accounts of the key alone": Guard(
        "accounts moved", (drop,), ("test_a_post_on_an_account_that_is_not_the_keys_is_left_as_it_is[move]",)
    ),
    "who may publish does not approve": Guard(
        "scope approve", (drop,), ("test_who_may_publish_does_not_approve_it_too",)
    ),
    "a decision is over the accounts of the key alone": Guard(
        "accounts decided", (drop,), ("test_no_key_decides_over_posts_to_accounts_that_it_lacks",)
    ),
    "an edit is to the accounts of the key alone": Guard(
        "accounts edited", (drop,), ("test_an_edit_adds_no_account_that_is_not_the_keys",)
    ),
    "a row is taken by what its key may do now": Guard(
        "key as it is now", (leave_subject,), ("test_a_key_that_may_create_nothing_by_now_takes_no_row",)
    ),
    "a row is taken for a key that may create": Guard(
        "scope create", (drop,), ("test_a_key_that_may_create_nothing_by_now_takes_no_row",)
    ),
    "a key that is gone takes no more rows": Guard(
        "key as it is now",
        (
            never,
            call(as_it_was_if_gone, instead_of=Caller.as_key_is_now),
        ),
        ("test_of_a_key_that_was_revoked_no_further_row_is_taken",),
    ),
    "a batch counts in the minute of its key": Guard(
        "batch counted", (never,), ("test_a_batch_counts_as_a_request_in_the_minute_of_its_key",)
    ),
    "rows leave a minute some room": Guard(
        "rows leave room", (drop,), ("test_no_minute_takes_more_rows_than_its_share",)
    ),
    "an event is told if the table says the same of the same": Guard(
        "same event", (drop_element(0),), ("test_what_the_table_does_not_say_is_nothing",)
    ),
    "an event is told if its owner is that of the table": Guard(
        "same event", (drop_element(1),), ("test_what_the_table_does_not_say_is_nothing",)
    ),
    "a batch that is at work has not ended": Guard(
        "batch ended", (always,), ("test_a_batch_that_is_at_work_has_not_ended",)
    ),
    "a video that is being made has not ended": Guard(
        "video ended", (always,), ("test_a_video_that_is_being_made_has_not_ended",)
    ),
    # Whose a record is, and what a step may change of it
    "a caller reads the videos of its own owner": Guard(
        "owner of video", (never,), ("test_the_content_of_another_owners_video_is_not_handed_out",)
    ),
    "a caller reads the batches of its own owner": Guard(
        "owner of batch", (never,), ("test_a_batch_of_another_owner_looks_like_none_at_all",)
    ),
    "a caller lists the records of its own owner": Guard(
        "owner of list", (never,), ("test_an_owner_that_may_not_be_seen_does_not_exist",)
    ),
    "a caller names videos of its own owner alone": Guard(
        "owner of listed ids",
        (always,),
        ("test_videos_are_listed_by_their_ids_in_this_order_without_what_the_caller_has_not",),
    ),
    "a step changes no field that only its store writes": Guard(
        "fields of a step", (never,), ("test_a_change_that_the_record_does_not_take_names_it_and_writes_nothing",)
    ),
    # Success is an asset
    "a file that does not play is removed": Guard(
        "inspected version", (drop,), ("test_a_video_that_does_not_play_leaves_nothing",)
    ),
    "only the version that was inspected is removed": Guard(
        "inspected version",
        (drop_argument(1),),
        ("test_only_what_was_looked_at_is_removed_when_it_does_not_play",),
    ),
    "a decoder that broke down refuses no file": Guard(
        "decoder broke", (never,), ("test_a_decoder_that_broke_down_says_nothing_of_the_file",)
    ),
    "the render of a deleted video is cancelled until the provider has heard it": Guard(
        "cancelled again",
        (never,),
        ("test_a_render_of_a_deleted_video_is_cancelled_again_until_its_leftovers_are_removed",),
    ),
    # Links of the embedded host
    "a link that was changed opens nothing": Guard(
        "link signature", (never,), ("test_a_link_that_was_changed_allows_nothing",)
    ),
    "a link ends": Guard("link expiry", (never,), ("test_a_link_outlives_a_restart_and_no_other_host_takes_it",)),
    # The clock of series
    "a time that daylight saving leaves out has no turn": Guard(
        "daylight saving",
        (drop_operand(0),),
        ("test_a_time_that_daylight_saving_leaves_out_has_no_turn",),
    ),
    "a time that comes twice has one turn": Guard(
        "daylight saving",
        (drop_operand(1),),
        ("test_a_time_that_comes_twice_has_one_turn_the_first",),
    ),
    "waits outlast a clock that is set back": Guard(
        "set back", (never,), ("test_a_wait_goes_on_where_the_clock_is_set_back_by_an_hour",)
    ),
}
