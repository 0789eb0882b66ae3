"""Answering what is kept, to its owner alone."""

from __future__ import annotations

import pytest

from mediaposter.domain.errors import ErrorCode, InvalidRequest, NotFound
from mediaposter.stores.approvals import open_approval
from mediaposter.stores.budget import budget_key
from mediaposter.stores.keys import Scope
from mediaposter.stores.table import Increase
from mediaposter.stores.video_record import VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.caller import Caller
from mediaposter.wire.objects import present_usage
from mediaposter.wire.queries import ListQuery, UsageQuery, Variant
from tests.builders import NOW, OWNER, VIDEO_ID, a_caller, a_post, a_stored_video, a_video
from tests.fakes.world import World


def kept_world() -> World:
    world = World()
    world.keep(a_video(stage=Stage.DONE, stored=a_stored_video()), a_post())
    return world


def test_the_content_of_another_owners_video_is_not_handed_out() -> None:
    with pytest.raises(NotFound):
        kept_world().read.locate(VIDEO_ID, caller=a_caller(owner="key_of_another"), variant="video")


URLS: dict[Variant, str] = {
    "video": "https://bucket.example/videos/video_1/video.mp4?as=video_1.mp4",
    "thumbnail": "https://bucket.example/videos/video_1/thumbnail.webp?as=video_1.webp",
    "spritesheet": "https://bucket.example/videos/video_1/spritesheet.jpg?as=video_1.jpg",
}


@pytest.mark.parametrize(("variant", "url"), URLS.items())
def test_a_variant_is_found_under_a_name_of_its_kind(variant: Variant, url: str) -> None:
    assert kept_world().read.locate(VIDEO_ID, caller=a_caller(), variant=variant) == url


def test_a_kept_video_has_links_that_need_no_key() -> None:
    world = kept_world()

    links = world.read.link(world.video)

    assert links is not None
    assert [links.video, links.thumbnail, links.spritesheet] == [*URLS.values()]
    assert links.expires_at == NOW.timestamp() + 900
    assert "bucket.example" not in repr(links)


def test_a_video_that_is_not_kept_has_no_links() -> None:
    assert World().read.link(a_video(stage=Stage.STORING)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stage": Stage.STORING}, "is not completed yet"),
        ({"failure": VideoFailure(code=ErrorCode.TIMEOUT, message="too late")}, "has failed"),
    ],
)
def test_a_video_that_is_not_kept_has_no_content(changes: dict[str, object], reason: str) -> None:
    world = World()
    world.keep(a_video(**changes))

    with pytest.raises(InvalidRequest, match=reason) as refusal:
        world.read.locate(VIDEO_ID, caller=a_caller(), variant="video")

    assert refusal.value.code == "video_not_ready"


ADMIN = a_caller(owner="key_of_the_boss", scopes=frozenset({Scope.ADMIN}))


def library_of(count: int, **changes: object) -> World:
    world = World()
    for number in range(count):
        world.keep(a_video(id=f"video_{number:03}", **changes))
    return world


def ids(world: World, caller: Caller | None = None, **query: object) -> list[str]:
    page = world.read.list_videos(ListQuery.model_validate(query), caller=caller or a_caller())
    return [video.id for video in page.videos]


def test_a_list_is_filtered_by_status_model_batch_and_prompt() -> None:
    world = library_of(2)
    world.keep(a_video(id="video_done", stage=Stage.DONE, stored=a_stored_video(), prompt="A Kite in THE rain"))
    world.keep(a_video(id="video_kite", resolved_model="kite-1", batch_id="batch_1"))

    assert ids(world, status="completed") == ["video_done"]
    assert ids(world, model="kite-1") == ["video_kite"]
    assert ids(world, batch_id="batch_1", status="queued") == ["video_kite"]
    assert ids(world, prompt="the RAIN") == ["video_done"]


def at_second(second: int, number: int = 0) -> str:
    """Give an id as one is made in a second since 1970 (SharedEdges.new_id)."""
    return f"video_{second * 1000 + number:012x}{number:020x}"


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("filters", [{}, {"batch_id": "batch_1"}, {"prompt": "kite"}])
def test_a_list_of_some_time_has_its_first_second_and_not_its_last(order: str, filters: dict[str, str]) -> None:
    world = World()
    for second in range(100, 110):
        for number in (0, 999):
            world.keep(a_video(id=at_second(second, number), batch_id="batch_1", prompt="A kite"))
    wanted = [at_second(second, number) for second in (103, 104) for number in (0, 999)]
    if order == "desc":
        wanted.reverse()

    found: list[str] = []
    for _ in wanted:
        asked = {"created_after": 103, "created_before": 105, "order": order, "limit": 3, **filters}
        after = {"after": found[-1]} if found else {}
        page = world.read.list_videos(ListQuery.model_validate({**asked, **after}), caller=a_caller())
        found += [video.id for video in page.videos]
        if not page.has_more:
            break

    assert found == wanted
    for created_after, has_more in ((109, True), (110, False)):
        query = ListQuery.model_validate({"created_after": created_after, "limit": 0})
        assert world.read.list_videos(query, caller=a_caller()).has_more is has_more


def test_videos_are_listed_by_their_ids_in_this_order_without_what_the_caller_has_not() -> None:
    world = library_of(3)
    world.keep(a_video(id="video_of_another", owner="key_of_another"))

    asked = "video_002,video_of_another,video_000,video_9,video_002"

    assert ids(world, ids=asked) == ["video_002", "video_000"]
    assert ids(world, ADMIN, ids=asked) == ["video_002", "video_of_another", "video_000"]


def test_videos_are_listed_by_their_stages() -> None:
    world = library_of(1)
    world.keep(a_video(id="video_waits", stage=Stage.AWAITING_APPROVAL, stored=a_stored_video()))
    world.keep(a_video(id="video_of_another", owner="ann", stage=Stage.AWAITING_APPROVAL, stored=a_stored_video()))

    assert ids(world, stage="awaiting_approval") == ["video_waits"]
    assert ids(world, stage="awaiting_approval,queued", order="asc") == ["video_000", "video_waits"]


def test_a_list_has_posts_and_approvals_on_request_alone() -> None:
    world = World()
    video = a_video(stage=Stage.AWAITING_APPROVAL, stored=a_stored_video(), approval_hours=24)
    world.keep(video, a_post())
    world.table.commit([open_approval(VIDEO_ID, now=NOW, hours=24)])

    asked = world.stack.find_details([video], has_posts=True)[VIDEO_ID]
    usual = world.stack.find_details([video])[VIDEO_ID]

    assert ([post.video_id for post in asked.posts], usual.posts) == ([VIDEO_ID], [])
    assert asked.approval is not None
    assert usual.approval is None
    assert usual.links is not None


def test_an_empty_page_of_a_prompt_that_nothing_has_tells_that_there_is_nothing() -> None:
    query = ListQuery.model_validate({"limit": 0, "prompt": "boat"})

    assert library_of(3, prompt="A kite").read.list_videos(query, caller=a_caller()).has_more is False


def test_no_page_has_more_than_was_asked_for_wherever_its_prompt_was_found() -> None:
    world = library_of(5, prompt="A boat")
    for number in range(5, 8):
        world.keep(a_video(id=f"video_{number:03}", prompt="A kite"))
    query = ListQuery.model_validate({"limit": 2, "prompt": "boat"})

    page = world.read.list_videos(query, caller=a_caller())

    assert ([video.id for video in page.videos], page.has_more) == (["video_004", "video_003"], True)


@pytest.mark.parametrize("since", ["2000-01-01", "2999-12-31"])
def test_days_that_end_today_are_refused_as_others_are(since: str) -> None:
    with pytest.raises(InvalidRequest, match="since: the last day, ") as refused:
        World().read.sum_usage(UsageQuery.model_validate({"since": since}), caller=a_caller())

    assert refused.value.param == "since"


@pytest.mark.parametrize(
    ("owner", "limit_micros"), [(None, 5_000_000), ("boss", 5_000_000), ("*", 9_000_000), ("ann", None)]
)
def test_usage_is_told_with_the_limit_of_whose_it_is(owner: str | None, limit_micros: int | None) -> None:
    world = World(stack_daily_budget_micros=9_000_000)
    boss = a_caller(owner="boss", scopes={Scope.ADMIN}, daily_budget_micros=5_000_000)

    assert world.read.sum_usage(UsageQuery(owner=owner), caller=boss).day.limit_micros == limit_micros


def test_usage_tells_what_is_left_of_the_key_and_of_the_stack() -> None:
    world = World(stack_daily_budget_micros=9_000_000)
    for owner, micros in ((OWNER, 1_000_000), ("*", 4_000_000)):
        world.table.commit([Increase(budget_key(owner, NOW.date()), {"committed_micros": micros})])

    usage = world.read.sum_usage(UsageQuery(), caller=a_caller(daily_budget_micros=5_000_000))

    told = present_usage(usage)
    assert (told.limit_usd, told.left_usd, told.stack_limit_usd, told.stack_left_usd) == ("5", "4", "9", "5")
    unlimited = present_usage(World().read.sum_usage(UsageQuery(), caller=a_caller()))
    assert (unlimited.left_usd, unlimited.stack_limit_usd, unlimited.stack_left_usd) == (None, None, None)


def test_an_owner_that_may_not_be_seen_does_not_exist() -> None:
    world = World()

    with pytest.raises(NotFound) as listing:
        world.read.list_videos(ListQuery(owner="ann"), caller=a_caller())
    with pytest.raises(NotFound) as usage:
        world.read.sum_usage(UsageQuery(owner="ann"), caller=a_caller())

    assert [error.value.what for error in (listing, usage)] == ["owner", "owner"]
