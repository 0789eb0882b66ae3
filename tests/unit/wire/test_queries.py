"""What is asked for in a query, and what is refused in it."""

from __future__ import annotations

from datetime import date

import pytest

from mediaposter.domain.errors import InvalidRequest
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.batches import BatchListQuery
from mediaposter.wire.queries import ListQuery, Query, ScheduleQuery, UsageQuery, parse_query


def refusal_of(model: type[Query], **parameters: str) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        parse_query(model, parameters)
    return refused.value


@pytest.mark.parametrize("model", [ListQuery, ScheduleQuery, BatchListQuery])
def test_a_limit_is_from_none_to_a_hundred(model: type[Query]) -> None:
    assert [parse_query(model, {"limit": limit}).model_dump()["limit"] for limit in ("0", "100")] == [0, 100]
    for limit, rule in (
        ("-1", "must be at least 0, got -1"),
        ("101", "must be at most 100, got 101"),
        ("1.5", "must be a whole number"),
        ("", "must be a whole number"),
        ("9" * 5_000, "is too large a number"),
    ):
        refusal = refusal_of(model, limit=limit)
        assert (refusal.param, refusal.code, refusal.message) == ("limit", "invalid_value", f"limit: {rule}.")


class TestUsage:
    @pytest.mark.parametrize("name", ["since", "until"])
    @pytest.mark.parametrize("day", ["1999-12-31", "3000-01-01", "2026-13-01", "1700000000", ""])
    def test_a_day_beyond_all_use_is_refused_by_its_field(self, name: str, day: str) -> None:
        refusal = refusal_of(UsageQuery, **{name: day})

        assert (refusal.param, refusal.code) == (name, "invalid_value")

    def test_days_are_asked_for_by_their_dates(self) -> None:
        query = parse_query(UsageQuery, {"since": "2026-01-01", "until": "2026-12-31"})

        assert (query.since, query.until) == (date(2026, 1, 1), date(2026, 12, 31))

    @pytest.mark.parametrize(
        ("since", "until", "rule"),
        [
            ("2026-01-02", "2026-01-01", "must not lie before since, which is 2026-01-02"),
            ("2025-01-01", "2026-12-31", "must lie at most 366 days after since, got 729"),
        ],
    )
    def test_days_the_wrong_way_round_or_too_many_are_refused(self, since: str, until: str, rule: str) -> None:
        refusal = refusal_of(UsageQuery, since=since, until=until)

        assert (refusal.param, refusal.message) == ("until", f"until: {rule}.")


def test_a_parameter_that_is_not_known_is_refused_by_its_name() -> None:
    refusal = refusal_of(ListQuery, colour="red")

    assert (refusal.param, refusal.code) == ("colour", "unknown_parameter")
    assert refusal.message == "colour: is not known here."


class TestList:
    def test_values_are_separated_by_commas(self) -> None:
        query = parse_query(ListQuery, {"stage": "queued, rendering", "include": "posts"})

        assert (query.stage, query.include) == ((Stage.QUEUED, Stage.RENDERING), ("posts",))
        assert parse_query(ListQuery, {"ids": "video_1,video_2"}).ids == ("video_1", "video_2")

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"ids": "video_1", "status": "failed"}, "ids: cannot be combined with status."),
            ({"ids": "video_1", "after": "video_2"}, "ids: cannot be combined with after."),
            ({"stage": "queued", "batch_id": "batch_1"}, "stage: cannot be combined with batch_id."),
            ({"stage": "queued", "created_after": "1"}, "stage: cannot be combined with created_after."),
            ({"remixed_from": "video_1", "prompt": "kite"}, "remixed_from: cannot be combined with prompt."),
            ({"remixed_from": "video_1", "stage": "queued"}, "stage: cannot be combined with remixed_from."),
        ],
    )
    def test_a_filter_that_has_no_index_beside_another_is_refused(
        self, parameters: dict[str, str], message: str
    ) -> None:
        refusal = refusal_of(ListQuery, **parameters)

        assert (refusal.message, refusal.param) == (message, message.partition(":")[0])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("created_after", "yesterday"),
            ("created_before", "-1"),
            ("stage", "waiting"),
            ("stage", ""),
            ("include", "everything"),
            ("ids", ","),
            ("ids", "v," * 100 + "v"),
        ],
    )
    def test_what_is_no_such_value_is_refused_by_its_name(self, name: str, value: str) -> None:
        assert refusal_of(ListQuery, **{name: value}).param == name
