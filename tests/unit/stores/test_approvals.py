"""The question whether a video may be posted, and the one answer."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.approvals import Approval, ApprovalStore, Decision, decide, open_approval
from mediaposter.stores.due import DueStore
from mediaposter.stores.trail import Actor
from tests.builders import NOW, VIDEO_ID
from tests.fakes.table import InMemoryTable

LATER = NOW + timedelta(minutes=1)
END = NOW + timedelta(hours=3)
ANSWERS = [decision for decision in Decision if decision is not Decision.WAITING]


@pytest.fixture
def table() -> InMemoryTable:
    table = InMemoryTable()
    table.commit([open_approval(VIDEO_ID, now=NOW, hours=3)])
    return table


@pytest.fixture
def approvals(table: InMemoryTable) -> ApprovalStore:
    return ApprovalStore(table)


def answer(approvals: ApprovalStore, decision: Decision = Decision.APPROVED) -> Approval:
    approvals.commit(decide(approvals.get(VIDEO_ID), decision, now=LATER, by=Actor(key="key_ann", name="Ann")))
    return approvals.get(VIDEO_ID)


def is_due(table: InMemoryTable, now: datetime) -> bool:
    return any(DueStore(table).list(now=now))


def test_a_question_waits_so_many_hours(approvals: ApprovalStore) -> None:
    assert approvals.get(VIDEO_ID) == Approval(video_id=VIDEO_ID, asked_at=NOW, expires_at=END)


def test_a_question_is_asked_once(table: InMemoryTable) -> None:
    with pytest.raises(VersionConflict):
        table.commit([open_approval(VIDEO_ID, now=LATER, hours=1)])


def test_a_question_that_was_never_asked_is_not_found(approvals: ApprovalStore) -> None:
    with pytest.raises(NotFound, match="video_2 does not wait for an approval") as missing:
        approvals.get("video_2")

    assert missing.value.what == "approval"


@pytest.mark.parametrize("decision", ANSWERS)
def test_an_answer_is_kept_with_who_gave_it_and_when(approvals: ApprovalStore, decision: Decision) -> None:
    assert answer(approvals, decision) == Approval(
        video_id=VIDEO_ID,
        asked_at=NOW,
        expires_at=END,
        decision=decision,
        decided_at=LATER,
        decided_by="key_ann",
        decided_by_name="Ann",
        version=2,
    )


@pytest.mark.parametrize("first", ANSWERS)
def test_a_question_that_is_answered_takes_no_other_answer(approvals: ApprovalStore, first: Decision) -> None:
    answered = answer(approvals, first)

    for second in ANSWERS:
        with pytest.raises(VersionConflict, match=f"is {first} already; the first decision is final"):
            decide(answered, second, now=LATER)


def test_of_two_answers_to_one_question_the_first_is_kept(approvals: ApprovalStore) -> None:
    asked = approvals.get(VIDEO_ID)
    first, second = decide(asked, Decision.REJECTED, now=NOW), decide(asked, Decision.APPROVED, now=LATER)
    approvals.commit(first)

    with pytest.raises(VersionConflict, match="changed meanwhile"):
        approvals.commit(second)

    assert approvals.get(VIDEO_ID).decision is Decision.REJECTED


def test_an_answer_to_a_question_that_the_machine_asked_anew_is_none(approvals: ApprovalStore) -> None:
    given = decide(approvals.get(VIDEO_ID), Decision.APPROVED, now=LATER)
    approvals.note(approvals.get(VIDEO_ID), task_token="token-2")

    with pytest.raises(VersionConflict):
        approvals.commit(given)


def test_what_is_noted_changes_nothing_else(approvals: ApprovalStore) -> None:
    noted = approvals.note(approvals.get(VIDEO_ID), task_token="token-1")
    told = approvals.note(noted, is_told=True)

    assert told == approvals.get(VIDEO_ID)
    assert told == Approval(
        video_id=VIDEO_ID, asked_at=NOW, expires_at=END, task_token="token-1", is_told=True, version=3
    )


def test_no_error_and_no_repr_shows_the_token(approvals: ApprovalStore) -> None:
    noted = approvals.note(approvals.get(VIDEO_ID), task_token="AQB8-token")

    assert "AQB8" not in repr(noted)
    with pytest.raises(ValueError, match="decision") as refusal:
        Approval.model_validate({**noted.model_dump(), "decision": "perhaps"})
    assert "AQB8" not in str(refusal.value)


def test_a_question_is_due_when_its_time_is_over(table: InMemoryTable) -> None:
    assert not is_due(table, END)
    assert is_due(table, END + timedelta(seconds=1))


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.EXPIRED])
def test_an_answer_is_due_until_the_machine_has_heard_it(
    table: InMemoryTable, approvals: ApprovalStore, decision: Decision
) -> None:
    answered = answer(approvals, decision)

    assert not is_due(table, LATER + timedelta(minutes=2))
    assert is_due(table, LATER + timedelta(minutes=2, seconds=1))
    approvals.note(answered, is_signalled=True)
    assert not is_due(table, LATER + timedelta(days=9_999))


def test_a_question_that_is_forgotten_was_never_asked_and_forgetting_it_again_is_no_fault(
    table: InMemoryTable, approvals: ApprovalStore
) -> None:
    approvals.forget(VIDEO_ID)
    approvals.forget(VIDEO_ID)

    with pytest.raises(NotFound):
        approvals.get(VIDEO_ID)
    assert not is_due(table, END + timedelta(days=1))
