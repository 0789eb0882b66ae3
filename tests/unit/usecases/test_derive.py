"""A video that is made from another: whose, of what, and at which price."""

from __future__ import annotations

import pytest

from mediaposter.ai.catalog import Capabilities, Catalog
from mediaposter.ai.video_model_interface import SourceVideo
from mediaposter.domain.errors import InvalidRequest, NotFound
from mediaposter.stores.video_record import Derivation, DerivationKind
from mediaposter.stores.video_stages import Stage
from mediaposter.usecases.steps import StepInput
from mediaposter.wire.caller import Caller
from mediaposter.wire.queries import ListQuery
from mediaposter.wire.requests import EditVideoRequest, ExtendVideoRequest, RemixVideoRequest
from tests.builders import CATALOG, NOW, a_caller, a_stored_video, a_video
from tests.fakes.world import World

SOURCE = "video_0"


def remixing_catalog() -> Catalog:
    """Build the catalog in which sora-2 remixes and edits."""
    able = Capabilities(remix=True, edit=True)
    entry = CATALOG.get("sora-2").model_copy(update={"capabilities": able})
    return CATALOG.model_copy(update={"models": {**CATALOG.models, "sora-2": entry}})


def world_with_source(*, catalog: Catalog = CATALOG, **changes: object) -> World:
    world = World(catalog=catalog)
    kept = {"stage": Stage.DONE, "stored": a_stored_video(SOURCE), "provider_job_id": "job-0", "seconds": 8}
    world.keep(a_video(id=SOURCE, **{**kept, "resolved_model": "kite-1", "size": "768x1280", **changes}))
    return world


def extension(seconds: int = 5) -> ExtendVideoRequest:
    return ExtendVideoRequest.model_validate({"prompt": "On", "video": SOURCE, "seconds": seconds})


@pytest.mark.parametrize("owner", ["key_of_another", ""])
def test_another_owners_video_cannot_be_changed(owner: str) -> None:
    world = world_with_source()

    with pytest.raises(NotFound):
        world.submit.derive(extension(), caller=a_caller(owner=owner))

    assert (world.effects.names[1:], world.workflow.executions) == ([], [])


def test_a_video_that_is_not_kept_is_not_changed() -> None:
    world = world_with_source(stage=Stage.RENDERING, stored=None)

    with pytest.raises(InvalidRequest, match="only a completed one can be changed"):
        world.submit.derive(extension(), caller=a_caller())


@pytest.mark.parametrize("model", [RemixVideoRequest, EditVideoRequest])
def test_what_the_model_does_not_offer_is_refused(model: type[RemixVideoRequest | EditVideoRequest]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        world_with_source().submit.derive(model.model_validate({"prompt": "Again", "video": SOURCE}), caller=a_caller())

    assert refusal.value.code == "unsupported_operation"


def test_a_video_of_a_model_that_is_not_offered_any_more_is_not_changed() -> None:
    catalog = CATALOG.withhold({"kites": "Set KITES_API_KEY."}, instead="sora-2")

    with pytest.raises(InvalidRequest, match=r"kite-1: Set KITES_API_KEY\.") as refusal:
        world_with_source(catalog=catalog).submit.derive(extension(), caller=a_caller())

    assert refusal.value.param == "video"


def test_a_video_is_not_extended_beyond_what_the_model_makes() -> None:
    with pytest.raises(InvalidRequest, match=r"adds 5 seconds to a video of 15, not 10"):
        world_with_source(seconds=15, model="kite-1").submit.derive(extension(10), caller=a_caller())
    with pytest.raises(InvalidRequest, match=r"has 20 seconds\. kite-1 adds at least 5, and makes no video longer"):
        world_with_source(seconds=20, model="kite-1").submit.derive(extension(5), caller=a_caller())


@pytest.mark.parametrize(("asked", "added"), [(2, 5), (12, 10), (20, 10)])
def test_a_video_of_an_alias_is_extended_by_the_nearest_length_and_says_so(asked: int, added: int) -> None:
    world = world_with_source(model="sora-2-pro")

    video = world.submit.derive(extension(asked), caller=a_caller()).video

    assert (video.seconds, video.cost_estimate_micros) == (8 + added, added * 200_000)
    assert video.derivation is not None
    assert video.derivation.extend_seconds == added
    assert video.warnings == (f"seconds: kite-1 adds no {asked} seconds to a video of 8; it adds {added}.",)


@pytest.mark.parametrize("seconds", [1, 21, 60])
def test_a_video_of_an_alias_is_extended_by_no_length_that_its_name_never_had(seconds: int) -> None:
    with pytest.raises(InvalidRequest, match="sora-2-pro takes 2 to 20 seconds") as refusal:
        world_with_source(model="sora-2-pro").submit.derive(extension(seconds), caller=a_caller())

    assert refusal.value.param == "seconds"


@pytest.mark.parametrize("model", [RemixVideoRequest, EditVideoRequest])
@pytest.mark.parametrize("changes", [{"seconds": 13}, {"size": "100x200"}])
def test_a_video_that_is_not_as_the_model_makes_them_is_not_changed(
    model: type[RemixVideoRequest | EditVideoRequest], changes: dict[str, object]
) -> None:
    world = world_with_source(resolved_model="sora-2", **{"size": "720x1280", **changes}, catalog=remixing_catalog())

    with pytest.raises(InvalidRequest, match="what is made from it would be like it") as refusal:
        world.submit.derive(model.model_validate({"prompt": "Again", "video": SOURCE}), caller=a_caller())

    assert refusal.value.param == "video"


def test_a_video_of_a_size_that_has_no_price_any_more_is_not_extended() -> None:
    with pytest.raises(InvalidRequest, match="The video has 100x200"):
        world_with_source(size="100x200", model="kite-1").submit.derive(extension(5), caller=a_caller())


@pytest.mark.parametrize(("model", "asked"), [(RemixVideoRequest, "remix"), (EditVideoRequest, "edit")])
def test_what_is_made_from_a_video_is_promised_priced_and_asked_for_in_its_size_and_length(
    model: type[RemixVideoRequest | EditVideoRequest], asked: str
) -> None:
    world = world_with_source(resolved_model="sora-2", size="720x1280", catalog=remixing_catalog())
    request = model.model_validate({"prompt": "Again", "video": SOURCE})

    video = world.submit.derive(request, caller=a_caller()).video
    world.start(StepInput(video_id=video.id))

    assert (video.seconds, video.size, video.cost_estimate_micros) == (8, "720x1280", 800_000)
    assert world.model.derived == [(asked, "job-0", SourceVideo(720, 1280, seconds=8))]


def test_what_is_made_from_a_video_is_listed_until_it_is_deleted() -> None:
    world = world_with_source()
    origin = Derivation(kind=DerivationKind.EXTEND, video_id=SOURCE, provider_job_id="job-0", extend_seconds=5)
    made = [f"video_{number}" for number in (1, 2, 3)]
    for video_id in made:
        world.video_store.create(a_video(id=video_id, derivation=origin), [])

    def ids(caller: Caller | None = None, **query: object) -> tuple[list[str], bool]:
        asked = ListQuery.model_validate({"remixed_from": SOURCE, **query})
        page = world.read.list_videos(asked, caller=caller or a_caller())
        return [video.id for video in page.videos], page.has_more

    assert ids(order="asc", limit=2) == (made[:2], True)
    assert ids(order="asc", after=made[1]) == (made[2:], False)
    assert ids(limit=2) == (made[:0:-1], True)
    assert ids(a_caller(owner="key_of_another")) == ([], False)
    world.video_store.delete(world.video_store.get_unchecked(made[0]), 0, now=NOW)
    assert ids(order="asc") == (made[1:], False)
