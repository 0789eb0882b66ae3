"""What is told of a batch before it is created, and that telling it does nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from mediaposter.domain.errors import InvalidRequest
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.budget import budget_key
from mediaposter.stores.keys import Scope
from mediaposter.stores.media import upload_key
from mediaposter.stores.table import Increase
from mediaposter.usecases.batches.check import CHECK_SECONDS, ERRORS_MAX
from mediaposter.wire.batch_check import BatchCheckObject, present_check
from mediaposter.wire.batches import CreateBatchRequest, parse_create_batch
from mediaposter.wire.caller import Caller
from tests.builders import NOW, OWNER, a_caller, a_target
from tests.fakes.batches import BatchWorld
from tests.fakes.clock import Clock
from tests.fakes.publisher import FakePublisher

UPLOAD_ID = f"upload_{'a' * 32}"
# Four seconds of sora-2, at ten cents each.
GOOD = {"prompt": "A red kite over the sea"}
BAD = {"id": "b", "prompt": "A red kite over the sea", "size": "1x1"}


def check(world: BatchWorld, *rows: Any, caller: Caller | None = None) -> BatchCheckObject:
    request = CreateBatchRequest(rows=list(rows))
    return present_check(world.world.stack.check_batch(request, caller=caller or a_caller()))


def check_file(world: BatchWorld, content: bytes, content_type: str) -> BatchCheckObject:
    world.files.drop(upload_key(OWNER, UPLOAD_ID), content, content_type=content_type)
    return present_check(world.world.stack.check_batch(CreateBatchRequest(file=UPLOAD_ID), caller=a_caller()))


def test_rows_that_would_have_captions_written_are_counted_and_no_model_is_asked() -> None:
    asking = {**GOOD, "captions": "write", "publish": [a_target("threads").model_dump(exclude_none=True)]}

    found = check(BatchWorld(), GOOD, asking, {**asking, "size": "1x1"})

    assert (found.accepted, found.refused, found.captions) == (2, 1, 1)


def test_rows_are_counted_and_priced_and_each_wrong_one_says_why() -> None:
    assert check(BatchWorld(), GOOD, BAD, {**GOOD, "seconds": 8}).model_dump() == {
        "object": "batch.check",
        "rows": 3,
        "accepted": 2,
        "refused": 1,
        "complete": True,
        "captions": 0,
        "cost_estimate_usd": "1.2",
        "reserved_usd": "1.2",
        "left_usd": None,
        "fits_budget": True,
        "errors": [
            {
                "row": 2,
                "line": 2,
                "custom_id": "b",
                "code": "invalid_value",
                "message": "sora-2 makes videos of 720x1280, 1280x720, not 1x1.",
                "param": "size",
            }
        ],
    }


def test_nothing_is_written_started_or_stored() -> None:
    world = BatchWorld()

    check(world, GOOD, BAD)

    assert world.world.table.items == {}
    assert (world.files.versions, world.workflow.executions, world.world.workflow.executions) == ({}, {}, [])


def test_an_uploaded_sheet_is_checked_with_the_lines_of_its_rows() -> None:
    content = b'id,prompt,seconds\na,"A red kite\nover the sea",4\nb,A kite,five\n'

    checked = check_file(BatchWorld(), content, "text/csv")

    [error] = checked.errors
    assert (checked.rows, checked.accepted) == (2, 1)
    assert (error.row, error.line, error.custom_id, error.param) == (2, 4, "b", "seconds")


def test_a_template_is_checked_row_by_row_and_a_price_is_told_for_the_rows_that_fill_it() -> None:
    rows = [{"product": "kite"}, {"id": "b", "product": " "}, {"product": "boat", "prompt": "Mine"}]
    request = CreateBatchRequest(rows=rows, template="A red {product}")

    checked = present_check(BatchWorld().world.stack.check_batch(request, caller=a_caller()))

    assert (checked.accepted, checked.cost_estimate_usd) == (1, "0.4")
    assert [(error.row, error.custom_id, error.param) for error in checked.errors] == [
        (2, "b", "product"),
        (3, None, "prompt"),
    ]


@pytest.mark.parametrize("template", ["A {product", "A {product.name}", " ", ""])
def test_a_text_that_is_no_template_is_refused_before_any_row(template: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_create_batch(json.dumps({"rows": [{}], "template": template}).encode(), "application/json")

    assert refusal.value.param == "template"


def test_a_file_that_is_broken_is_refused_as_a_whole() -> None:
    with pytest.raises(InvalidRequest, match="never closed"):
        check_file(BatchWorld(), b'prompt\n"A red kite\n', "text/csv")


def test_a_row_that_the_key_may_not_post_is_refused() -> None:
    row = {**GOOD, "publish": [{"platform": "twitter", "account_id": "101"}]}

    checked = check(BatchWorld(), row, caller=a_caller(scopes=frozenset({Scope.CREATE})))

    assert [(error.code, error.param) for error in checked.errors] == [("insufficient_scope", "publish")]


def test_the_price_is_held_against_what_is_left_of_the_key_and_the_stack() -> None:
    world = BatchWorld(stack_daily_budget_micros=900_000)
    world.world.table.commit([Increase(budget_key(OWNER, NOW.date()), {"committed_micros": 300_000})])

    of_stack = check(world, GOOD, GOOD)
    of_key = check(world, GOOD, GOOD, caller=a_caller(daily_budget_micros=1_000_000))

    assert (of_stack.left_usd, of_stack.fits_budget) == ("0.9", True)
    assert (of_key.left_usd, of_key.fits_budget) == ("0.7", False)


def test_more_rows_than_the_key_can_take_are_refused() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        check(BatchWorld(), *[GOOD] * 1_201, caller=a_caller(rate_per_minute=1))

    assert refusal.value.code == "too_many_rows"


def test_a_check_that_takes_too_long_tells_how_far_it_came() -> None:
    clock = Clock()

    def ask_slowly(_: Sequence[PublishTarget]) -> list[str]:
        clock.advance(CHECK_SECONDS / 2)
        return []

    world = BatchWorld(validate_accounts=ask_slowly, clock=clock)
    row = {**GOOD, "publish": [{"platform": "twitter", "account_id": "101"}]}

    checked = check(world, row, row, row)

    assert (checked.rows, checked.complete) == (2, False)
    assert check(world, row, row).complete


def test_of_many_errors_the_first_thousand_are_told() -> None:
    checked = check(BatchWorld(), *[BAD | {"id": str(number)} for number in range(ERRORS_MAX + 1)])

    assert (checked.refused, len(checked.errors)) == (ERRORS_MAX + 1, ERRORS_MAX)


def test_the_publisher_is_not_asked_to_post() -> None:
    world = BatchWorld()

    check(world, {**GOOD, "publish": [{"platform": "twitter", "account_id": "101"}]})

    assert isinstance(world.world.publisher, FakePublisher)
    assert world.world.publisher.publish_calls == 0
