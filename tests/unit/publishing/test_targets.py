"""Where a video can go, and what each network is told (Blotato's pages for each platform)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mediaposter.publishing.networks import UPLOAD_MAX_BYTES
from mediaposter.publishing.targets import (
    SCHEDULED_AHEAD_MAX,
    TEXT_MAX_CHARACTERS,
    AnyTarget,
    PublishTarget,
    StoredTarget,
    UnlabelledTarget,
    VideoShape,
    check_scheduled_time,
)
from sandbox.blotato_networks import Platform, Target, find_refusal
from sandbox.blotato_wire import Post, find_dropped_fields
from tests.builders import NOW, a_target

TARGET: TypeAdapter[AnyTarget] = TypeAdapter(AnyTarget)
MODELS: dict[str, type[PublishTarget]] = {
    get_args(model.model_fields["platform"].annotation)[0]: model for model in get_args(get_args(AnyTarget)[0])
}
NETWORKS = ("twitter", "instagram", "facebook", "linkedin", "tiktok", "youtube", "pinterest", "threads", "bluesky")
UNLABELLED = tuple(network for network in NETWORKS if network not in {"tiktok", "youtube"})
URL = "https://example.com/a?b=c#d"

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
        {
            "share_to_feed": False,
            "collaborators": ["ada", "grace_h.1"],
            "alt_text": "A kite",
            "cover_image_url": URL,
            "audio_name": "Wind",
            "trial": True,
            "first_comment": "First",
        },
        {
            "targetType": "instagram",
            "mediaType": "reel",
            "shareToFeed": False,
            "collaborators": ["ada", "grace_h.1"],
            "altText": "A kite",
            "coverImageUrl": URL,
            "audioName": "Wind",
            "trial": True,
            "firstComment": "First",
        },
    ),
    (
        "instagram",
        {"media_type": "story", "alt_text": "A kite"},
        {"targetType": "instagram", "mediaType": "story", "altText": "A kite"},
    ),
    ("facebook", {}, {"targetType": "facebook", "pageId": "12345", "mediaType": "reel"}),
    ("facebook", {"media_type": "story"}, {"targetType": "facebook", "pageId": "12345", "mediaType": "story"}),
    (
        "facebook",
        {"link": URL, "first_comment": "First"},
        {"targetType": "facebook", "pageId": "12345", "mediaType": "reel", "link": URL, "firstComment": "First"},
    ),
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
    (
        "tiktok",
        {"title": "A kite", "video_cover_timestamp": 1_500},
        {**TIKTOK_DEFAULTS, "title": "A kite", "videoCoverTimestamp": 1_500},
    ),
    ("youtube", {}, YOUTUBE_DEFAULTS),
    (
        "youtube",
        {
            "privacy_status": "public",
            "should_notify_subscribers": True,
            "playlist_ids": ["PL1"],
            "thumbnail_url": URL,
        },
        {
            **YOUTUBE_DEFAULTS,
            "privacyStatus": "public",
            "shouldNotifySubscribers": True,
            "playlistIds": ["PL1"],
            "thumbnailUrl": URL,
        },
    ),
    ("pinterest", {}, {"targetType": "pinterest", "boardId": "board-1"}),
    (
        "pinterest",
        {"title": "A kite", "link": URL, "alt_text": "A kite"},
        {"targetType": "pinterest", "boardId": "board-1", "title": "A kite", "link": URL, "altText": "A kite"},
    ),
    ("threads", {}, {"targetType": "threads"}),
    ("threads", {"reply_control": "mentioned_only"}, {"targetType": "threads", "replyControl": "mentioned_only"}),
    ("bluesky", {}, {"targetType": "bluesky"}),
]


@pytest.mark.parametrize(("platform", "fields", "wire"), DOCUMENTED)
def test_a_target_is_written_as_documented_kept_as_it_is_and_taken_whole(
    platform: str, fields: dict[str, Any], wire: dict[str, Any]
) -> None:
    target = a_target(platform, **fields)
    assert target.to_wire() == wire

    timed = a_target(platform, **fields, scheduled_time="2026-12-24T18:00:00Z")
    assert TARGET.validate_python(json.loads(timed.model_dump_json(), parse_int=Decimal)) == timed

    content = {"text": "Look up", "mediaUrls": [URL], "platform": platform}
    body: dict[str, Any] = {"accountId": "101", "content": content, "target": wire}
    taken = Post.model_validate_json(json.dumps(body))
    assert find_dropped_fields(body, taken) == ()
    assert taken.target.model_dump(by_alias=True, exclude_none=True, mode="json") == wire


def test_what_is_not_the_networks_is_no_part_of_the_target() -> None:
    fields = {"text": "Look up", "disclosure": "Made with AI", "scheduled_time": "2026-12-24T18:00:00Z"}

    assert a_target("bluesky", "55", **fields).to_wire() == {"targetType": "bluesky"}
    assert a_target("twitter", "55", premium=True).to_wire() == {"targetType": "twitter"}
    assert a_target("bluesky", "55", next_free_slot=True).to_wire() == {"targetType": "bluesky"}


def test_every_field_of_every_network_is_among_them() -> None:
    kept_back = {"platform", "account_id", "text", "disclosure", "premium", "scheduled_time", "next_free_slot"}
    assert {platform for platform, _, _ in DOCUMENTED} == set(NETWORKS) == set(MODELS)
    for platform in NETWORKS:
        covered = {name for network, fields, _ in DOCUMENTED if network == platform for name in fields}
        required = set(a_target(platform).model_dump(exclude_none=True))
        known = set(MODELS[platform].model_fields)

        assert known == covered | required | (kept_back & known)


@pytest.mark.parametrize("value", ["true", 1])
def test_a_flag_of_tiktok_is_a_boolean_and_nothing_like_one(value: object) -> None:
    for flag in (name for name, field in MODELS["tiktok"].model_fields.items() if isinstance(field.default, bool)):
        fields: dict[str, Any] = {flag: value}
        with pytest.raises(ValidationError, match="Input should be a valid boolean"):
            a_target("tiktok", **fields)


def test_branded_content_cannot_be_private_on_tiktok() -> None:
    with pytest.raises(ValidationError, match="branded content cannot be SELF_ONLY"):
        a_target("tiktok", privacy_level="SELF_ONLY", is_branded_content=True)

    assert a_target("tiktok", is_branded_content=True).to_wire()["isBrandedContent"] is True


def test_other_networks_do_not_count_hashtags() -> None:
    for platform in set(NETWORKS) - {"instagram"}:
        assert a_target(platform, text="#a " * 30).text is not None


@pytest.mark.parametrize(
    ("platform", "fields"),
    [
        ("twitter", {"text": "a\0b"}),
        ("twitter", {"text": "cut \ud83d"}),
        ("twitter", {"premium": "true"}),
        ("twitter", {"disclosure": "two\nlines"}),
        ("twitter", {"disclosure": "x" * 201}),
        ("tiktok", {"disclosure": "Made with AI"}),
        ("instagram", {"collaborators": ["a", "b", "c", "d"]}),
        ("instagram", {"collaborators": ["@ada"]}),
        ("instagram", {"collaborators": ["x" * 31]}),
        ("instagram", {"cover_image_url": "http://example.com"}),
        ("instagram", {"trial": "true"}),
        ("facebook", {"page_id": "my-page"}),
        ("facebook", {"link": "javascript:alert(1)"}),
        ("facebook", {"first_comment": "First", "media_type": "story"}),
        ("tiktok", {"privacy_level": "PUBLIC"}),
        ("tiktok", {"video_cover_timestamp": -1}),
        ("tiktok", {"video_cover_timestamp": 3_600_001}),
        ("tiktok", {"video_cover_timestamp": True}),
        ("tiktok", {"video_cover_timestamp": 0, "is_draft": True}),
        ("youtube", {"privacy_status": "hidden"}),
        ("youtube", {"thumbnail_url": "ftp://example.com/a.png"}),
        ("youtube", {"playlist_ids": ["PL1"] * 21}),
        ("youtube", {"playlist_ids": ["x" * 65]}),
        ("pinterest", {"board_id": ""}),
        ("pinterest", {"link": "https://example.com/" + "x" * 2_029}),
    ],
)
def test_a_value_the_network_does_not_know_is_refused(platform: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        a_target(platform, **fields)


@pytest.mark.parametrize(
    ("platform", "fields"),
    [
        ("twitter", {"disclosure": "x" * 200}),
        ("instagram", {"collaborators": ["a", "b", "x" * 30]}),
        ("instagram", {"alt_text": "x" * 1_000, "audio_name": "x" * 100, "first_comment": "x" * 2_200}),
        ("facebook", {"first_comment": "x" * 5_000}),
        ("tiktok", {"title": "x" * 90, "video_cover_timestamp": 3_600_000}),
        ("tiktok", {"is_draft": False, "video_cover_timestamp": 0}),
        ("youtube", {"title": "x" * 100, "playlist_ids": ["x" * 64] * 20}),
        ("pinterest", {"title": "x" * 100, "alt_text": "x" * 500, "link": "https://example.com/" + "x" * 2_028}),
    ],
)
def test_a_value_at_the_edge_is_taken(platform: str, fields: dict[str, Any]) -> None:
    assert a_target(platform, **fields)


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "http://example.com",
        "https:///path",
        "https://user:password@example.com",
        "https://example.com/a b",
        "https://example.com\\@other.example",
        "https://example.com\n",
    ],
)
def test_a_link_is_a_plain_https_url(url: str) -> None:
    with pytest.raises(ValidationError):
        a_target("pinterest", link=url)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "{prompt}"),
        ("disclosure", "Made with AI"),
        ("share_to_feed", False),
        ("collaborators", ["ada"]),
        ("cover_image_url", URL),
        ("audio_name", "Wind"),
        ("trial", False),
        ("first_comment", "First"),
    ],
)
def test_a_story_on_instagram_has_no_parts_of_a_reel(field: str, value: object) -> None:
    fields: dict[str, Any] = {"media_type": "story", field: value}

    with pytest.raises(ValidationError, match=f"{field}: a story on instagram has none"):
        a_target("instagram", **fields)


# Captions


def compose(target: PublishTarget, *, prompt: str = "A kite", title: str | None = None, text: str | None = None) -> str:
    return target.compose_caption(prompt=prompt, title=title, default_text=text)


def test_a_targets_own_text_comes_first_then_the_requests_then_the_prompt() -> None:
    assert compose(a_target(text="Mine"), text="Ours") == "Mine"
    assert compose(a_target(text=""), text="Ours") == ""
    assert compose(a_target(), text="Ours") == "Ours"
    assert compose(a_target(), text="") == ""
    assert compose(a_target()) == "A kite"
    # As it stands.
    assert compose(a_target(), prompt="A {title} of {prompt}") == "A {title} of {prompt}"
    assert compose(a_target("facebook", media_type="story")) == "A kite"


def test_placeholders_are_filled_in_both_texts() -> None:
    text = "{title}: {prompt}! {prompt}?"

    assert compose(a_target(text=text), title="Dusk") == "Dusk: A kite! A kite?"
    assert compose(a_target(), title="Dusk", text=text) == "Dusk: A kite! A kite?"


@pytest.mark.parametrize("text", ["{}", "{ prompt }", "{0}", "{prompt", "%s {titles}"])
def test_other_braces_stay_as_they_are(text: str) -> None:
    assert compose(a_target(text=text)) == text
    assert compose(a_target(text="{{prompt}}")) == "{A kite}"


def test_what_is_filled_in_is_not_read_again() -> None:
    text = "{title} {prompt}"

    assert compose(a_target(text=text), prompt="{title}{prompt}", title="{prompt}") == "{prompt} {title}{prompt}"


def test_a_title_that_there_is_not_cannot_be_named() -> None:
    with pytest.raises(ValueError, match=r"text: names \{title\}, and the request has no title"):
        compose(a_target(text="{title}"))


def test_a_disclosure_ends_the_caption_on_a_line_of_its_own_where_a_network_has_no_label() -> None:
    assert {name for name, model in MODELS.items() if issubclass(model, UnlabelledTarget)} == set(UNLABELLED)
    for platform in UNLABELLED:
        target = a_target(platform, disclosure="Made with {prompt}")

        assert compose(target) == "A kite\nMade with {prompt}"
        assert compose(target, text="") == "Made with {prompt}"


def test_a_disclosure_counts() -> None:
    assert len(compose(a_target(text="x" * 269, disclosure="Made by AI"))) == 280
    with pytest.raises(ValueError, match="text: at most 280 characters, got 281"):
        compose(a_target(text="x" * 270, disclosure="Made by AI"))
    with pytest.raises(ValueError, match="hashtags: at most 5, got 6"):
        compose(a_target("instagram", text="#a #b #c #d #e", disclosure="#ai"))
    with pytest.raises(ValueError, match="hashtags: at most 5 in the text and the first comment, got 6"):
        compose(a_target("instagram", text="{prompt} #b", first_comment="#c #d #e #f"), prompt="#a")


def test_a_caption_is_measured_when_its_placeholders_are_filled_in() -> None:
    target = a_target(text="{prompt}" + "x" * 275)

    assert len(compose(target, prompt="12345")) == 280
    with pytest.raises(ValueError, match="text: at most 280 characters, got 281"):
        compose(target, prompt="123456")


def test_a_text_with_placeholders_is_bounded_before_that() -> None:
    assert a_target(text="{prompt}" + "x" * (TEXT_MAX_CHARACTERS - 8))
    assert a_target("facebook", text="{prompt}" + "x" * 63_198)
    with pytest.raises(ValidationError, match="text: at most 5000 characters, got 5001"):
        a_target(text="{prompt}" + "x" * (TEXT_MAX_CHARACTERS - 7))


def test_what_a_placeholder_will_say_may_make_a_hashtag_one_no_more() -> None:
    target = a_target("instagram", text="{prompt}#a #b #c #d #e #f")

    assert compose(target, prompt="C").startswith("C#a")
    with pytest.raises(ValueError, match="hashtags: at most 5, got 6"):
        compose(target, prompt="C ")


def test_a_refusal_is_that_of_the_field_it_is_about() -> None:
    with pytest.raises(ValidationError) as refusal:
        a_target("pinterest", title="x" * 101)

    assert [error["loc"] for error in refusal.value.errors()] == [("pinterest", "title")]
    assert "xxx" not in str(refusal.value)


def test_a_record_that_was_written_under_older_rules_can_be_read() -> None:
    stored: TypeAdapter[PublishTarget] = TypeAdapter(StoredTarget)
    fields = {"platform": "threads", "account_id": "55", "text": "é" * 500}

    target = stored.validate_python(fields)

    assert target.text == "é" * 500
    with pytest.raises(ValueError, match="text: at most 500 bytes, got 1000"):
        target.check_caption(target.text)
    with pytest.raises(ValidationError, match="text: at most 500 bytes, got 1000"):
        TARGET.validate_python(fields)


@pytest.mark.parametrize(("prompt", "text"), [("A kite", None), ("x" * 9_999, "{title}")])
def test_a_story_on_instagram_has_no_caption_whatever_there_is(prompt: str, text: str | None) -> None:
    assert compose(a_target("instagram", media_type="story"), prompt=prompt, text=text) == ""


WORDS = st.text(st.sampled_from("a ü🪁#<{}\n") | st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
TEXTS = st.lists(WORDS | st.sampled_from(["{prompt}", "{title}", "#tag ", "x" * 270, "x" * 2_150]), max_size=6).map(
    "".join
)


def compose_or_none(target: dict[str, Any], given: dict[str, Any]) -> str | None:
    """Compose a caption, or have it refused in a sentence that names the field."""
    try:
        return a_target(**target).compose_caption(**given)
    except ValueError as refusal:
        sentence = str(refusal)
    assert re.search(r"(text|hashtags|mentions|links): ", sentence)
    return None


@given(
    target=st.fixed_dictionaries(
        {"platform": st.sampled_from(NETWORKS)}, optional={"text": TEXTS, "disclosure": st.just("Made with AI")}
    ).filter(lambda target: "disclosure" not in target or target["platform"] in UNLABELLED),
    given=st.fixed_dictionaries({"prompt": TEXTS, "title": st.none() | WORDS, "default_text": st.none() | TEXTS}),
)
def test_whatever_is_composed_fits_and_is_whole(target: dict[str, Any], given: dict[str, Any]) -> None:
    caption = compose_or_none(target, given)
    if caption is None:
        return

    wire = TypeAdapter[Target](Target).validate_json(json.dumps(a_target(**target).to_wire()))
    refusal = find_refusal(Platform(target["platform"]), caption, (URL,), wire)
    # The stand-in has pages and boards of its own, which these are not.
    assert refusal is None or "does not belong" in refusal
    text = target.get("text", given["default_text"])
    filled = given["prompt"] if text is None else fill_in_by_hand(text, given)
    assert caption == "\n".join(filter(None, [filled, target.get("disclosure")]))


def fill_in_by_hand(text: str, given: dict[str, Any]) -> str:
    """Fill in placeholders one by one, from left to right."""
    for name in ("prompt", "title"):
        before, found, after = text.partition(f"{{{name}}}")
        if found:
            return fill_in_by_hand(before, given) + str(given[name]) + fill_in_by_hand(after, given)
    return text


# Videos


def shape(size: str = "720x1280", seconds: float = 8, size_bytes: int | None = None) -> VideoShape:
    width, height = size.split("x")
    return VideoShape(width=int(width), height=int(height), seconds=seconds, size_bytes=size_bytes)


STORY = {"media_type": "story"}


@pytest.mark.parametrize(
    ("platform", "fields", "seconds"),
    [
        ("twitter", {}, 140),
        ("instagram", {}, 900),
        ("instagram", STORY, 60),
        ("facebook", STORY, 90),
        ("bluesky", {}, 180),
    ],
)
def test_a_video_may_last_up_to_the_networks_limit(platform: str, fields: dict[str, Any], seconds: int) -> None:
    target = a_target(platform, **fields)

    target.check_video(shape(seconds=seconds))
    with pytest.raises(ValueError, match=rf"^seconds: at most {seconds} on {platform}, got {seconds + 1}$"):
        target.check_video(shape(seconds=seconds + 1))
    with pytest.raises(ValueError, match=rf"got {seconds}\.01$"):
        target.check_video(shape(seconds=seconds + 0.01))


@pytest.mark.parametrize(
    ("platform", "seconds"), [("instagram", 3), ("facebook", 3), ("linkedin", 3), ("pinterest", 4)]
)
def test_a_video_may_be_too_short(platform: str, seconds: int) -> None:
    a_target(platform).check_video(shape(seconds=seconds))
    with pytest.raises(ValueError, match=rf"^seconds: at least {seconds} on {platform}, got {seconds - 1}$"):
        a_target(platform).check_video(shape(seconds=seconds - 1))


@pytest.mark.parametrize(
    ("platform", "fields", "size_bytes"),
    [
        ("twitter", {}, 512_000_000),
        ("instagram", {}, 300_000_000),
        ("instagram", STORY, 100_000_000),
        ("tiktok", {}, UPLOAD_MAX_BYTES),
        ("bluesky", {}, 50_000_000),
    ],
)
def test_a_video_may_have_bytes_up_to_the_networks_limit(
    platform: str, fields: dict[str, Any], size_bytes: int
) -> None:
    target = a_target(platform, **fields)

    target.check_video(shape(size_bytes=size_bytes))
    with pytest.raises(ValueError, match=rf"^bytes: at most {size_bytes} on {platform}, got {size_bytes + 1}$"):
        target.check_video(shape(size_bytes=size_bytes + 1))


@pytest.mark.parametrize("fields", [{}, STORY])
@pytest.mark.parametrize("platform", ["instagram", "facebook"])
@pytest.mark.parametrize("size", ["704x1280", "1024x1792"])
def test_a_reel_and_a_story_are_upright(platform: str, fields: dict[str, Any], size: str) -> None:
    a_target(platform, **fields).check_video(shape(size))


@pytest.mark.parametrize("fields", [{}, STORY])
@pytest.mark.parametrize("platform", ["instagram", "facebook"])
@pytest.mark.parametrize("size", ["1280x720", "768x1280", "720x1680"])
def test_another_shape_is_neither(platform: str, fields: dict[str, Any], size: str) -> None:
    with pytest.raises(ValueError, match=rf"^size: must be upright, 9:16 as 720x1280 is, on {platform}, got {size}$"):
        a_target(platform, **fields).check_video(shape(size))


@pytest.mark.parametrize("platform", [network for network in NETWORKS if network not in {"instagram", "facebook"}])
def test_other_networks_take_any_shape(platform: str) -> None:
    for size in ("1280x720", "720x720", "1680x720"):
        a_target(platform).check_video(shape(size))


def test_linkedin_takes_4096x2304() -> None:
    a_target("linkedin").check_video(shape("4096x2304"))
    for size in ("4097x2304", "4096x2305", "2160x3840"):
        with pytest.raises(ValueError, match=rf"^size: at most 4096x2304 on linkedin, got {size}$"):
            a_target("linkedin").check_video(shape(size))


def test_a_cover_lies_within_the_video() -> None:
    target = a_target("tiktok", video_cover_timestamp=4_000)

    target.check_video(shape(seconds=4.001))
    with pytest.raises(ValueError, match=r"^video_cover_timestamp: less than the video's 4000 ms, got 4000$"):
        target.check_video(shape(seconds=4))


# Times


@pytest.mark.parametrize("written", ["2026-12-24T19:00:00+01:00", "2026-12-24 18:00:00.000Z"])
def test_a_time_is_read_as_text_and_kept_in_utc(written: str) -> None:
    time = a_target(scheduled_time=written).scheduled_time

    assert time == datetime(2026, 12, 24, 18, tzinfo=UTC)
    assert time is not None
    assert time.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        1_798_000_000,
        "tomorrow",
        "2026-12-24",
        "2026-12-24T18:00:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_time_with_its_offset_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="scheduled_time"):
        a_target(scheduled_time=written)


def test_a_slot_and_a_time_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="next_free_slot: not beside a scheduled_time"):
        a_target(scheduled_time="2026-12-24T18:00:00Z", next_free_slot=True)


def test_a_time_lies_ahead_by_nine_months_at_most() -> None:
    check_scheduled_time(NOW + timedelta(seconds=1), now=NOW)
    check_scheduled_time(NOW + SCHEDULED_AHEAD_MAX, now=NOW)
    with pytest.raises(ValueError, match=r"^scheduled_time: must be in the future, got 2026-12-01T12:00:00Z$"):
        check_scheduled_time(NOW, now=NOW)
    with pytest.raises(ValueError, match=r"^scheduled_time: at most nine months ahead, until 2027-08-31T12:00:00Z"):
        check_scheduled_time(NOW + SCHEDULED_AHEAD_MAX + timedelta(seconds=1), now=NOW)


@pytest.mark.parametrize("account_id", ["", "101\n", "x" * 65, "a#b"])
def test_an_account_id_is_plain_as_it_names_the_post(account_id: str) -> None:
    with pytest.raises(ValidationError):
        a_target("twitter", account_id)


def test_a_clip_that_is_a_frame_short_of_its_networks_least_is_left_to_the_network() -> None:
    pin = a_target("pinterest")

    pin.check_video(VideoShape(width=720, height=1280, seconds=3.96, size_bytes=1))
    with pytest.raises(ValueError, match="seconds: at least 4"):
        pin.check_video(VideoShape(width=720, height=1280, seconds=3.8, size_bytes=1))
