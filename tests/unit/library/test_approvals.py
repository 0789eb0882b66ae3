"""The question whether a video may be posted."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.errors import Conflict, NotFound
from mediaposter.library.approvals import ApprovalBook, Decision, decide, open_approval
from tests.builders import NOW, VIDEO_ID
from tests.fakes.table import InMemoryTable

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def table() -> InMemoryTable:
    table = InMemoryTable()
    table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])
    return table


@pytest.fixture
def approvals(table: InMemoryTable) -> ApprovalBook:
    return ApprovalBook(table)


def test_a_question_waits_for_a_day_and_its_answer_is_kept(approvals: ApprovalBook) -> None:
    asked = approvals.get(VIDEO_ID)

    approvals.commit(decide(asked, Decision.APPROVED, now=LATER, by="ann"))

    answered = approvals.get(VIDEO_ID)
    assert (asked.decision, asked.expires_at) == (Decision.WAITING, NOW + timedelta(hours=24))
    assert (answered.decision, answered.decided_at, answered.decided_by) == (Decision.APPROVED, LATER, "ann")


@pytest.mark.parametrize("decision", [Decision.APPROVED, Decision.REJECTED, Decision.EXPIRED])
def test_a_question_that_is_answered_takes_no_other_answer(approvals: ApprovalBook, decision: Decision) -> None:
    approvals.commit(decide(approvals.get(VIDEO_ID), decision, now=NOW))

    with pytest.raises(Conflict, match=f"is {decision} already; the first decision holds"):
        decide(approvals.get(VIDEO_ID), Decision.APPROVED, now=LATER)


def test_of_two_answers_to_one_question_the_first_is_kept(approvals: ApprovalBook) -> None:
    asked = approvals.get(VIDEO_ID)
    first, second = decide(asked, Decision.REJECTED, now=NOW), decide(asked, Decision.APPROVED, now=LATER)
    approvals.commit(first)

    with pytest.raises(Conflict, match="changed meanwhile"):
        approvals.commit(second)

    assert approvals.get(VIDEO_ID).decision is Decision.REJECTED


def test_an_answer_to_a_question_that_the_machine_asked_anew_is_none(approvals: ApprovalBook) -> None:
    answer = decide(approvals.get(VIDEO_ID), Decision.APPROVED, now=LATER)
    approvals.note(approvals.get(VIDEO_ID), task_token="token-2")

    with pytest.raises(Conflict):
        approvals.commit(answer)


def test_a_question_that_is_forgotten_was_never_asked(approvals: ApprovalBook) -> None:
    approvals.forget(VIDEO_ID)

    with pytest.raises(NotFound):
        approvals.get(VIDEO_ID)
