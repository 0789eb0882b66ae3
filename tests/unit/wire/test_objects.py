"""Lists as they are answered: pages that Lambda can answer with."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from mediaposter.ai.catalog import built_in_catalog, parse_catalog
from mediaposter.domain.errors import InvalidRequest
from mediaposter.domain.problem import Problem
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchTotals
from mediaposter.stores.budget import BudgetFigures, ModelUsage, PeriodUsage, Usage
from mediaposter.stores.keys import Scope
from mediaposter.stores.posts import Post, PostState, SchedulePage
from mediaposter.wire.batches import BatchView, present_batches
from mediaposter.wire.objects import (
    ListObject,
    name_post,
    present_models,
    present_page,
    present_posts,
    present_schedules,
    present_usage,
)
from tests.builders import NOW, a_post, a_target, a_video

LAMBDA_MAX_BYTES = 6 * 1024 * 1024
# What takes most room: no character of it is ASCII, and in JSON within JSON each may be twelve bytes.
LONGEST_PROMPT = "🪁" * 32_000


def measure(page: ListObject[Any]) -> int:
    """Measure what Lambda answers with, if its runtime escapes what is not ASCII."""
    return len(json.dumps({"statusCode": 200, "body": page.model_dump_json()}))


@pytest.mark.parametrize("prompt", [LONGEST_PROMPT, "\x01" * 32_000, "x" * 32_000])
def test_a_page_of_long_prompts_is_cut_to_what_lambda_answers(prompt: str) -> None:
    videos = [a_video(id=f"video_{number:03}", prompt=prompt) for number in range(100)]

    page = present_page(videos, has_more=False)

    assert measure(page) < LAMBDA_MAX_BYTES
    assert page.has_more is (len(page.data) < 100)
    assert (page.first_id, page.last_id) == ("video_000", page.data[-1].id)


def test_what_is_cut_off_is_on_the_pages_after_it() -> None:
    videos = [a_video(id=f"video_{number:03}", prompt=LONGEST_PROMPT) for number in range(100)]
    seen: list[str] = []
    while len(seen) < 100:
        page = present_page(videos[len(seen) :], has_more=False)
        seen += [video.id for video in page.data]
        assert (page.last_id, page.has_more) == (seen[-1], len(seen) < 100)

    assert seen == [video.id for video in videos]


@pytest.mark.parametrize("has_more", [True, False])
def test_an_empty_page_names_nothing(has_more: bool) -> None:
    page = present_page([], has_more=has_more)

    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], has_more, None, None)


def long_post(number: int, **changes: Any) -> Post:
    return a_post(a_target("facebook", f"{number:04}", page_id="1"), text="🪁" * 5_000, **changes)


def test_the_posts_of_a_video_are_cut_by_their_accounts() -> None:
    posts = [long_post(number) for number in range(200)]

    page = present_posts(posts)

    assert measure(page) < LAMBDA_MAX_BYTES
    assert (page.has_more, page.last_id) == (True, f"facebook~{len(page.data) - 1:04}")
    assert page.last_id == name_post(posts[len(page.data) - 1])


def test_a_page_of_schedules_that_is_cut_ends_at_the_place_of_its_last_post() -> None:
    posts = [long_post(number, state=PostState.SCHEDULED, scheduled_time=NOW) for number in range(200)]
    whole = SchedulePage(posts=posts, first="before", last="after", has_more=False)

    page = present_schedules(whole)

    assert measure(page) < LAMBDA_MAX_BYTES
    assert (page.has_more, page.last_id) == (True, posts[len(page.data) - 1].place)
    assert present_schedules(whole._replace(posts=posts[:2])).last_id == "after"


def test_a_page_of_batches_is_cut_to_what_lambda_answers() -> None:
    batch = Batch(
        id="batch_1",
        caller=BatchCaller(owner="ann", scopes=frozenset({Scope.READ})),
        source=BatchSource(key="a", version_id="1", format="csv"),
        created_at=NOW,
        updated_at=NOW,
        failure=Problem(code="x", message="🪁" * 32_000),
    )

    page = present_batches([BatchView(batch, BatchTotals())] * 100, has_more=False, base_url="https://api.example")

    assert measure(page) < LAMBDA_MAX_BYTES
    assert (page.has_more, page.last_id) == (True, "batch_1")


def test_models_are_listed_beyond_a_name() -> None:
    catalog, today = built_in_catalog(), NOW.date()
    everything = present_models(catalog, today=today)
    names = [model.id for model in everything.data]

    rest = present_models(catalog, today=today, after=names[2])

    assert [model.id for model in rest.data] == names[3:]
    assert (everything.has_more, everything.last_id) == (False, names[-1])


def test_a_model_tells_its_options_and_what_it_takes() -> None:
    catalog = parse_catalog(
        """
        [models.kite-1]
        provider = "kites"
        durations_seconds = [5, 10]
        sizes = ["768x1280"]
        price_usd_per_second = { "768" = "0.20" }
        expected_render_seconds = 50
        capabilities = { audio = true, image_roles = ["first_frame"] }
        notice = "A kite."
        [models.kite-1.options]
        seed = { type = "integer", min = 0, max = 99 }
        style = { type = "text", values = ["calm", "wild"] }
        camera = { type = "object", fields = { zoom = { type = "number" } } }
        """
    )

    [kite] = present_models(catalog, today=NOW.date()).data

    assert (kite.image_input, kite.audio, kite.extension_seconds, kite.notice) == (True, True, [], "A kite.")
    assert {name: (option.type, option.description) for name, option in kite.options.items()} == {
        "seed": ("integer", "a whole number from 0 to 99"),
        "style": ("text", "one of calm, wild"),
        "camera": ("object", "an object with no other fields than zoom"),
    }
    assert (kite.options["style"].values, kite.options["style"].max_characters) == (["calm", "wild"], None)
    assert kite.options["camera"].fields["zoom"].type == "number"


def test_usage_that_an_answer_has_no_room_for_asks_for_fewer_days() -> None:
    def sum_up(models: int) -> Usage:
        days = [
            ModelUsage(day=date(2026, 1, 1) + timedelta(days=day), model=f"{'m' * 100}{model}")
            for day in range(366)
            for model in range(models)
        ]
        nothing = PeriodUsage(BudgetFigures())
        return Usage(today=NOW.date(), day=nothing, month=nothing, days=days)

    assert len(present_usage(sum_up(models=9)).days) == 366 * 9
    with pytest.raises(InvalidRequest, match="ask for fewer days") as refused:
        present_usage(sum_up(models=150))
    assert (refused.value.param, refused.value.code) == ("since", "answer_too_large")
