"""Where a video can go, and what each network is told (Blotato's pages for each platform)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from mediaposter.publishing.targets import AnyTarget, PublishTarget
from tests.builders import a_target

TARGET: TypeAdapter[AnyTarget] = TypeAdapter(AnyTarget)
NETWORKS = ("twitter", "instagram", "facebook", "linkedin", "tiktok", "youtube", "pinterest", "threads", "bluesky")

TIKTOK_DEFAULTS = {
    "targetType": "tiktok",
    "privacyLevel": "PUBLIC_TO_EVERYONE",
    "disabledComments": False,
    "disabledDuet": False,
    "disabledStitch": False,
    "isBrandedContent": False,
    "isYourBrand": False,
    "isAiGenerated": True,
}
YOUTUBE_DEFAULTS = {
    "targetType": "youtube",
    "title": "A film",
    "privacyStatus": "private",
    "shouldNotifySubscribers": False,
    "isMadeForKids": False,
    "containsSyntheticMedia": True,
}

DOCUMENTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("twitter", {}, {"targetType": "twitter"}),
    ("instagram", {}, {"targetType": "instagram", "mediaType": "reel"}),
    (
        "instagram",
        {"media_type": "story", "share_to_feed": False, "collaborators": ["ada", "grace"]},
        {"targetType": "instagram", "mediaType": "story", "shareToFeed": False, "collaborators": ["ada", "grace"]},
    ),
    ("facebook", {}, {"targetType": "facebook", "pageId": "12345", "mediaType": "reel"}),
    ("facebook", {"media_type": "story"}, {"targetType": "facebook", "pageId": "12345", "mediaType": "story"}),
    ("linkedin", {}, {"targetType": "linkedin"}),
    ("linkedin", {"page_id": "777"}, {"targetType": "linkedin", "pageId": "777"}),
    ("tiktok", {}, TIKTOK_DEFAULTS),
    (
        "tiktok",
        {
            "privacy_level": "FOLLOWER_OF_CREATOR",
            "disabled_comments": True,
            "disabled_duet": True,
            "disabled_stitch": True,
            "is_branded_content": True,
            "is_your_brand": True,
            "is_ai_generated": False,
            "is_draft": True,
        },
        {
            "targetType": "tiktok",
            "privacyLevel": "FOLLOWER_OF_CREATOR",
            "disabledComments": True,
            "disabledDuet": True,
            "disabledStitch": True,
            "isBrandedContent": True,
            "isYourBrand": True,
            "isAiGenerated": False,
            "isDraft": True,
        },
    ),
    ("youtube", {}, YOUTUBE_DEFAULTS),
    (
        "youtube",
        {"privacy_status": "public", "should_notify_subscribers": True, "playlist_ids": ["PL1"]},
        {**YOUTUBE_DEFAULTS, "privacyStatus": "public", "shouldNotifySubscribers": True, "playlistIds": ["PL1"]},
    ),
    ("pinterest", {}, {"targetType": "pinterest", "boardId": "board-1"}),
    (
        "pinterest",
        {"title": "A kite", "link": "https://example.com"},
        {"targetType": "pinterest", "boardId": "board-1", "title": "A kite", "link": "https://example.com"},
    ),
    ("threads", {}, {"targetType": "threads"}),
    ("threads", {"reply_control": "mentioned_only"}, {"targetType": "threads", "replyControl": "mentioned_only"}),
    ("bluesky", {}, {"targetType": "bluesky"}),
]


@pytest.mark.parametrize(("platform", "fields", "wire"), DOCUMENTED)
def test_a_target_is_written_as_documented(platform: str, fields: dict[str, Any], wire: dict[str, Any]) -> None:
    assert a_target(platform, **fields).to_wire() == wire


def test_the_account_and_the_caption_are_no_part_of_the_target() -> None:
    assert a_target("bluesky", "55", text="Look up").to_wire() == {"targetType": "bluesky"}


def test_all_networks_are_covered() -> None:
    assert {platform for platform, _, _ in DOCUMENTED} == set(NETWORKS)


@pytest.mark.parametrize("platform", NETWORKS)
@pytest.mark.parametrize("field", ["isDraft", "is_draft_", "scheduledTime", "use_next_free_slot", "Text"])
def test_an_unknown_field_is_refused_as_the_publisher_would_drop_it_silently(platform: str, field: str) -> None:
    fields: dict[str, Any] = {field: True}

    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        a_target(platform, **fields)


@pytest.mark.parametrize(
    ("platform", "field"),
    [
        ("facebook", "page_id"),
        ("tiktok", "privacy_level"),
        ("youtube", "title"),
        ("pinterest", "board_id"),
        *[(platform, "account_id") for platform in NETWORKS],
    ],
)
def test_what_a_network_requires_is_required_here(platform: str, field: str) -> None:
    fields = {**a_target(platform).model_dump(exclude_none=True)}
    del fields[field]

    with pytest.raises(ValidationError, match="Field required"):
        TARGET.validate_python(fields)


TIKTOK_FLAGS = (
    "disabled_comments",
    "disabled_duet",
    "disabled_stitch",
    "is_branded_content",
    "is_your_brand",
    "is_ai_generated",
    "is_draft",
)


@pytest.mark.parametrize("value", ["true", "false", 1, 0])
@pytest.mark.parametrize("flag", TIKTOK_FLAGS)
def test_a_flag_of_tiktok_is_a_boolean_and_nothing_like_one(flag: str, value: object) -> None:
    fields: dict[str, Any] = {flag: value}

    with pytest.raises(ValidationError, match="Input should be a valid boolean"):
        a_target("tiktok", **fields)


@pytest.mark.parametrize(("platform", "flag"), [("tiktok", "isAiGenerated"), ("youtube", "containsSyntheticMedia")])
def test_a_network_with_a_label_for_ai_is_told_unless_the_caller_says_otherwise(platform: str, flag: str) -> None:
    assert a_target(platform).to_wire()[flag] is True


def test_youtube_is_private_and_quiet_unless_the_caller_says_otherwise() -> None:
    wire = a_target("youtube").to_wire()

    assert (wire["privacyStatus"], wire["shouldNotifySubscribers"]) == ("private", False)


def test_branded_content_cannot_be_private_on_tiktok() -> None:
    with pytest.raises(ValidationError, match="branded content cannot be SELF_ONLY"):
        a_target("tiktok", privacy_level="SELF_ONLY", is_branded_content=True)

    assert a_target("tiktok", is_branded_content=True).to_wire()["isBrandedContent"] is True


@pytest.mark.parametrize(
    ("platform", "limit"),
    [
        ("twitter", 280),
        ("instagram", 2_200),
        ("facebook", 5_000),
        ("linkedin", 3_000),
        ("tiktok", 2_200),
        ("youtube", 5_000),
        ("pinterest", 500),
        ("threads", 500),
        ("bluesky", 300),
    ],
)
def test_a_caption_fits_up_to_the_networks_limit(platform: str, limit: int) -> None:
    assert a_target(platform, text="x" * limit).text == "x" * limit
    with pytest.raises(ValidationError, match=rf"at most {limit} (characters|bytes), got {limit + 1}"):
        a_target(platform, text="x" * (limit + 1))


def test_youtubes_limit_is_in_bytes() -> None:
    assert a_target("youtube", text="ü" * 2_500).text is not None
    with pytest.raises(ValidationError, match="at most 5000 bytes, got 5002"):
        a_target("youtube", text="ü" * 2_501)


@pytest.mark.parametrize("text", ["a < b", "a > b"])
def test_youtube_takes_no_angle_brackets(text: str) -> None:
    with pytest.raises(ValidationError, match="no < or > in a description"):
        a_target("youtube", text=text)
    with pytest.raises(ValidationError, match="should match pattern"):
        a_target("youtube", title=text)


def test_instagram_takes_five_hashtags() -> None:
    assert a_target("instagram", text="#a #b #c #d #e").text is not None
    with pytest.raises(ValidationError, match="at most 5 hashtags, got 6"):
        a_target("instagram", text="#a #b #c #d #e #f")


@pytest.mark.parametrize(
    ("platform", "fields"),
    [
        ("instagram", {"collaborators": ["a", "b", "c", "d"]}),
        ("instagram", {"media_type": "post"}),
        ("facebook", {"page_id": "my-page"}),
        ("facebook", {"page_id": 12345}),
        ("linkedin", {"page_id": ""}),
        ("tiktok", {"privacy_level": "PUBLIC"}),
        ("youtube", {"title": ""}),
        ("youtube", {"title": "x" * 101}),
        ("youtube", {"privacy_status": "hidden"}),
        ("pinterest", {"board_id": ""}),
        ("pinterest", {"title": "x" * 101}),
        ("pinterest", {"link": "x" * 2_049}),
        ("threads", {"reply_control": "nobody"}),
    ],
)
def test_a_value_the_network_does_not_know_is_refused(platform: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_target(platform, **fields)


@pytest.mark.parametrize("account_id", ["", "a b", "101\n", "../x", "ü", "x" * 65, "a#b"])
def test_an_account_id_is_plain_as_it_names_the_post(account_id: str) -> None:
    with pytest.raises(ValidationError):
        a_target("twitter", account_id)


def test_a_post_is_named_by_its_network_and_account() -> None:
    assert a_target("tiktok", "98432").post_id == "tiktok#98432"


def test_a_target_cannot_be_changed() -> None:
    target: PublishTarget = a_target()

    with pytest.raises(ValidationError, match="frozen"):
        target.account_id = "102"  # type: ignore[misc]  # that it cannot be assigned is what is tested
