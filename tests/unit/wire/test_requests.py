"""The bodies of requests for a video, as JSON, as a form or by the openai SDK, and what is refused in them.

A rule of a field is asked for in JSON: both ways in read the same fields by the same models.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.domain.errors import NotFound
from mediaposter.wire.body_fields import PROVIDER_OPTIONS_MAX_BYTES
from mediaposter.wire.pictures import PictureUrl, UploadedPicture, UploadReference
from mediaposter.wire.requests import (
    EXTENSION_MAX_SECONDS,
    VIDEO_STAND_IN_MAX_BYTES,
    CreateVideoRequest,
    DeriveVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
    check_video_id,
    parse_create_video,
    parse_edit_video,
    parse_extend_video,
    parse_remix_video,
)
from tests.builders import a_target
from tests.unit.wire.sending import (
    INSTAGRAM,
    JSON,
    PROMPT,
    TIKTOK,
    TWITTER,
    Sent,
    refusal_of,
    refusal_or_none,
    send_form,
    send_json,
    write_png,
    write_png_header,
)

VIDEO_ID = "video_0193d2a5b6c7"
UPLOAD_ID = "upload_" + "0123456789abcdef" * 2
URL = "https://example.com/kite.png"
PICTURE = write_png(write_png_header(), (b"IDAT", b"x"), (b"IEND", b""))
DATA_URL = "data:image/png;base64," + base64.b64encode(PICTURE).decode()


def read_json(**fields: object) -> CreateVideoRequest:
    return parse_create_video(*send_json({"prompt": PROMPT, **fields}))


def read_form(fields: dict[str, str] | None = None, files: dict[str, bytes] | None = None) -> CreateVideoRequest:
    return parse_create_video(*send_form({"prompt": PROMPT, **(fields or {})}, files))


def send_by_sdk(call: Callable[[openai.OpenAI], object]) -> Sent:
    """Give what the openai SDK sends for a call."""
    requests = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(Sent(request.read(), request.headers["content-type"]))
        return httpx2.Response(200, json={"id": VIDEO_ID, "object": "video"})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http_client:
        call(openai.OpenAI(api_key="mp_test", base_url="https://api.example/v1", http_client=http_client))
    (sent,) = requests
    return sent


def create_by_sdk(extra: dict[str, object], **fields: Any) -> CreateVideoRequest:
    return parse_create_video(
        *send_by_sdk(lambda client: client.videos.create(prompt=PROMPT, extra_body=extra, **fields))
    )


def parse_remix(body: bytes, content_type: str) -> RemixVideoRequest:
    return parse_remix_video(body, content_type, video_id=VIDEO_ID)


PARSERS: dict[str, Callable[[bytes, str], CreateVideoRequest | DeriveVideoRequest]] = {
    "create": parse_create_video,
    "remix": parse_remix,
    "edit": parse_edit_video,
    "extend": parse_extend_video,
}
NEEDED: dict[str, dict[str, Any]] = {
    "create": {"prompt": PROMPT},
    "remix": {"prompt": PROMPT},
    "edit": {"prompt": PROMPT, "video": VIDEO_ID},
    "extend": {"prompt": PROMPT, "video": VIDEO_ID, "seconds": "8"},
}
DERIVING = ("edit", "extend")


# What is read


def test_a_prompt_alone_is_enough() -> None:
    posts = {"text": None, "title": None, "stagger_minutes": 0, "delivery": "direct", "approval_hours": 24}
    defaults: dict[str, Any] = {
        "model": "sora-2",
        "seconds": 4,
        "size": "720x1280",
        "publish": [],
        "approval": "none",
        **posts,
    }

    assert read_json() == read_form() == CreateVideoRequest(prompt=PROMPT)
    assert {name: getattr(read_json(), name) for name in defaults} == defaults


FULL = {
    "prompt": PROMPT,
    "model": "kite-1",
    "seconds": "8",
    "size": "1280x720",
    "metadata": {"b": "x", "a": "y"},
    "fallback_models": ["glider-1"],
    "resubmit": True,
    "provider_options": {"seed": 7, "style": "oil"},
    "publish": [{**TIKTOK, "is_draft": True}],
    "webhook_url": "https://example.com/hook",
    "input_reference": {"image_url": URL},
}
ABOUT_POSTS: dict[str, Any] = {
    "text": "{prompt} at {title}",
    "title": "Dusk",
    "stagger_minutes": 30,
    "delivery": "verified",
    "approval": "required",
    "approval_hours": 12,
}


def test_the_same_request_is_the_same_and_has_the_same_fingerprint_however_it_is_sent() -> None:
    fields = {**FULL, **ABOUT_POSTS}
    nested = ("metadata", "fallback_models", "provider_options", "publish", "input_reference")
    plain = {name: str(value) for name, value in fields.items() if name not in nested} | {"resubmit": "true"}
    numbered = {
        **plain,
        "metadata[a]": "y",
        "metadata[b]": "x",
        "fallback_models[0]": "glider-1",
        "provider_options[style]": "oil",
        "provider_options[seed]": "7",
        **{f"publish[0][{name}]": value for name, value in TIKTOK.items()},
        "publish[0][is_draft]": "true",
        "input_reference": URL,
    }
    requests = [
        parse_create_video(*send_json(fields)),
        parse_create_video(*send_json(dict(reversed(fields.items())) | {"seconds": 8})),
        create_by_sdk({name: value for name, value in fields.items() if name != "prompt"}),
        parse_create_video(*send_form(numbered)),
        parse_create_video(*send_form({**plain, **{name: json.dumps(fields[name]) for name in nested}})),
    ]

    assert requests[0] == CreateVideoRequest(
        **{
            **fields,
            "seconds": 8,
            "publish": [a_target("tiktok", privacy_level="SELF_ONLY", is_draft=True)],
            "input_reference": PictureUrl(url=URL),
        }
    )
    assert requests == [requests[0]] * len(requests)
    assert {request.fingerprint() for request in requests} == {requests[0].fingerprint()}


@pytest.mark.parametrize("kind", PARSERS)
def test_what_is_said_of_posts_is_read_in_every_request(kind: str) -> None:
    request = PARSERS[kind](*send_json({**NEEDED[kind], **ABOUT_POSTS, "publish": [TWITTER]}))

    assert request.publish == [a_target()]
    assert {name: getattr(request, name) for name in ABOUT_POSTS} == ABOUT_POSTS


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", f"{JSON}; x=✓"])
def test_the_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    assert parse_create_video(json.dumps({"prompt": PROMPT}).encode(), content_type).prompt == PROMPT


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded", "✓/✓", "x" * 100_000])
def test_another_content_type_is_refused_with_those_that_are_taken(content_type: str) -> None:
    refusal = refusal_of(parse_create_video, b"{}", content_type)

    assert refusal.code == "unsupported_content_type"
    assert "send multipart/form-data or application/json" in refusal.message
    assert len(refusal.message) < 200


def test_a_form_without_a_boundary_is_refused() -> None:
    refusal = refusal_of(parse_create_video, b"", "multipart/form-data; boundary=")

    assert (refusal.code, refusal.message) == ("invalid_multipart", "The multipart content type names no boundary.")


# The rules of the fields


def nest(depth: int) -> dict[str, Any]:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level == depth - 1 or level % 2 else [value]
    assert isinstance(value, dict)
    return value


LONGEST_OPTIONS = {"a": "ü" * ((PROVIDER_OPTIONS_MAX_BYTES - len('{"a": ""}')) // len("\\u00fc"))}
TAKEN: dict[str, tuple[object, ...]] = {
    "prompt": ("ü" * 32_000,),
    "model": ("m", "m" * 128),
    "size": ("s" * 32,),
    "seconds": ("4", 4.0, 86_400),
    "fallback_models": ([], ["m", *["m" * 128] * 3]),
    "metadata": ({f"{number:064}": "v" * 512 for number in range(16)},),
    "provider_options": ({f"{number:064}": 1 for number in range(32)}, nest(16), LONGEST_OPTIONS),
    "text": ("", "x" * 5_000),
    "title": ("x" * 100,),
    "stagger_minutes": (0, "1440"),
    "approval_hours": (1, "168"),
    "webhook_url": (URL,),
    "publish": ([{**TWITTER, "account_id": str(number)} for number in range(20)], [TWITTER, TIKTOK]),
    "input_reference": ({"image_url": DATA_URL}, DATA_URL, {"upload_id": UPLOAD_ID}, UPLOAD_ID, URL),
}
REFUSED: dict[str, tuple[object, ...]] = {
    "prompt": ("", "\t\r\n\u2003", "kite" * 8_001, 1, ["kite"]),
    "model": ("", "m" * 129, 2),
    "size": ("s" * 33, 720),
    "seconds": ("four", "4.5", 4.5, True, "\u0664", "9" * 5_000, float("nan"), 86_401),
    "fallback_models": (["m"] * 5, "[", "m"),
    "resubmit": ("maybe", []),
    "metadata": ({f"key{number}": "v" for number in range(17)}, [], 1, "", "{'a': 1}", '{"a": ' * 100_000),
    "provider_options": ({str(number): 1 for number in range(33)}, {**LONGEST_OPTIONS, "b": 1}, nest(17)),
    "text": ("x" * 5_001, 1),
    "title": (" ", "x" * 101),
    "stagger_minutes": (-1, 1_441, True, "soon"),
    "delivery": ("sometime",),
    "approval": ("maybe", True),
    "approval_hours": (0, 169, 1.5),
    "webhook_url": ("https://u:kite@example.com", "http://127.0.0.1.example.com", "http://localhost:1@example.com/"),
    "publish": ([{**TWITTER, "account_id": str(number)} for number in range(21)], {}, "x", "", "[{"),
    "input_reference": ("kite.png", {"file_id": "file-1"}),
}


def list_pairs(table: dict[str, tuple[object, ...]]) -> list[Any]:
    return [
        pytest.param(field, value, id=f"{field} {number}")
        for field, values in table.items()
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(("field", "value"), list_pairs(TAKEN))
def test_a_field_is_taken_up_to_its_limits(field: str, value: object) -> None:
    assert read_json(**{"publish": [TWITTER], "approval": "required", field: value})


# Not in the contract, which is one for both hosts: on AWS SubmitVideo refuses them.
@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/kites", "http://localhost", "http://[::1]:1/"])
def test_a_receiver_may_be_a_program_on_the_hosts_own_machine(url: str) -> None:
    assert read_json(webhook_url=url).webhook_url == url


@pytest.mark.parametrize(("field", "value"), list_pairs(REFUSED))
def test_a_field_past_its_rule_is_refused_by_its_name_and_not_repeated(field: str, value: object) -> None:
    refusal = refusal_of(lambda: read_json(**{"publish": [TWITTER], "approval": "required", field: value}))

    assert (refusal.param, refusal.code) == (field, "invalid_value")
    assert "kite" not in refusal.message
    assert len(refusal.message) < 400


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"metadata": {"campaign": "v" * 513}}, "metadata.campaign", "invalid_value"),
        ({"fallback_models": ["a", ""]}, "fallback_models[1]", "invalid_value"),
        ({"fallback_models": ["m" * 129]}, "fallback_models[0]", "invalid_value"),
        ({"metadata": {"k" * 65: "v"}}, "metadata." + "k" * 65, "invalid_value"),
        ({"provider_options": {"k" * 65: 1}}, f"provider_options.{'k' * 63}", "invalid_value"),
        ({"provider_options": {"a": [float("inf")]}}, "provider_options", "invalid_value"),
        ({"provider_options": nest(400)}, "provider_options", "invalid_json"),
        ({"metadata": '{"k": "v", "k": "w"}'}, "metadata", "invalid_value"),
        ({"x" * 3_000: 1}, "x" * 80, "unknown_parameter"),
        # A publish that is wrong itself is what is told.
        ({"publish": [{"platform": "bluesky"}], "approval": "required"}, "publish[0].account_id", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_within_a_field_is_refused_by_where_it_stands(
    fields: dict[str, Any], param: str, code: str | None
) -> None:
    for read in (lambda: read_json(**fields), lambda: read_form({name: json.dumps(fields[name]) for name in fields})):
        refusal = refusal_of(read)
        # In a form what is too deep is within the field, and not within the body.
        assert (refusal.param, code is None or refusal.code in {code, "invalid_value"}) == (param, True)


@pytest.mark.parametrize(
    ("target", "param", "code", "message"),
    [
        (
            {"platform": "facebook", "account_id": "1"},
            *("publish[1].page_id", "missing_required_parameter", " (facebook account 1): page_id: is required."),
        ),
        ({"platform": "bluesky"}, "publish[1].account_id", None, " (bluesky): account_id: is required."),
        ({**TWITTER, "account_id": "a b"}, "publish[1].account_id", None, " (twitter): account_id: may have letters A"),
        ({**TWITTER, "isDraft": True}, "publish[1].isDraft", "unknown_parameter", " (twitter account 101): isDraft: "),
        (
            {**INSTAGRAM, "collaborators": ["ada", 1]},
            *("publish[1].collaborators[1]", None, " (instagram account 101): collaborators[1]: must be a text."),
        ),
        ({**TIKTOK, "is_branded_content": True}, "publish[1]", None, " (tiktok account 101): privacy_level: branded "),
        (
            {**TWITTER, "account_id": "2", "text": "kite " * 100},
            *("publish[1].text", None, " (twitter account 2): text: at most 280 characters, got 500."),
        ),
        ({**TWITTER, "platform": "x" * 9_999}, "publish[1]", None, ": platform: must be one of twitter, instagram, "),
        ({"account_id": "1"}, "publish[1]", "missing_required_parameter", ": platform: is required."),
        ("twitter", "publish[1]", None, ": "),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_names_the_target_the_field_and_the_limit_by_both_ways(
    target: object, param: str, code: str | None, message: str
) -> None:
    in_json = refusal_of(lambda: read_json(publish=[TWITTER, target]))
    in_form = refusal_of(lambda: read_form({"publish": json.dumps([TWITTER, target])}))

    assert (in_json.param, in_json.code) == (param, code or in_json.code)
    assert in_json.message.startswith(f"publish[1]{message}")
    assert "kite" not in in_json.message
    assert in_form.message == in_json.message


# What goes with targets


@pytest.mark.parametrize(
    ("field", "value"), [("stagger_minutes", 30), ("delivery", "verified"), ("approval", "required")]
)
@pytest.mark.parametrize("publish", [{}, {"publish": []}])
def test_without_targets_there_is_nothing_to_say_of_posts(field: str, value: object, publish: dict[str, Any]) -> None:
    refusal = refusal_of(lambda: read_json(**publish, **{field: value}))

    assert refusal.message == f"{field}: needs publish: without targets there are no posts that it could be about."
    assert (refusal.param, refusal.code) == (field, "invalid_value")


def test_an_account_takes_a_video_once() -> None:
    refusal = refusal_of(lambda: read_json(publish=[TWITTER, TIKTOK, {**TWITTER, "text": "another text"}]))

    assert refusal.message == "publish: twitter account 101 is named twice; an account takes a video once."


def test_what_is_as_by_default_needs_no_targets() -> None:
    assert read_json(stagger_minutes=0, delivery="direct", approval="none", approval_hours=24, text="a").publish == []


def test_hours_without_an_approval_are_refused() -> None:
    refusal = refusal_of(lambda: read_json(publish=[TWITTER], approval_hours=3))

    assert refusal.message == 'approval_hours: needs approval to be "required".'


# Pictures


def test_a_picture_is_a_file_a_url_or_an_upload() -> None:
    file = UploadedPicture.read(PICTURE)
    bracketed = read_form({"input_reference[upload_id]": UPLOAD_ID})

    assert read_form({}, {"input_reference": PICTURE}).input_reference == file
    assert read_json(input_reference={"image_url": DATA_URL}).input_reference == file
    assert read_json(input_reference={"image_url": URL, "upload_id": None}).input_reference == PictureUrl(url=URL)
    assert bracketed.input_reference == UploadReference(upload_id=UPLOAD_ID)
    assert read_form({"input_reference": json.dumps({"upload_id": UPLOAD_ID})}) == bracketed


@pytest.mark.parametrize("field", ["input_reference", "input_reference[image_url]"])
def test_a_picture_that_comes_twice_is_refused(field: str) -> None:
    refusal = refusal_of(lambda: read_form({field: ""}, {"input_reference": PICTURE}))

    assert (refusal.param, refusal.code) == ("input_reference", "mixed_field")


@pytest.mark.parametrize("field", ["video", "prompt", "input_reference[]", "x" * 3_000])
@pytest.mark.parametrize("kind", PARSERS)
def test_any_other_file_is_refused_by_its_field(kind: str, field: str) -> None:
    refusal = refusal_of(PARSERS[kind], *send_form({"prompt": PROMPT}, {field: PICTURE}))

    assert (refusal.param, refusal.code) == (field[:80], "unsupported_file")
    assert ("needs a video of this library" in refusal.message) == (kind in DERIVING and field == "video")


# In brackets


@pytest.mark.parametrize("value", [-7, 0, 1.0, 1e-07, False])
def test_an_option_in_brackets_is_what_json_would_write_so(value: object) -> None:
    text = json.dumps(value)
    names = ("provider_options[x]", "provider_options[y][]", "provider_options[z][a]")

    options: Any = read_form(dict.fromkeys(names, text)).provider_options

    assert options == {"x": value, "y": [value], "z": {"a": value}}
    assert type(options["x"]) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "007", "3.10", "1e999", " 7", "NaN", "True", "[7]", "\u0667", "9" * 5_000],
)
def test_any_other_option_in_brackets_is_text(text: str) -> None:
    assert read_form({"provider_options[0]": text}).provider_options == {"0": text}


def test_flags_times_and_numbers_of_targets_in_brackets_are_no_text() -> None:
    fields = {
        **{f"publish[0][{name}]": value for name, value in TIKTOK.items()},
        "publish[0][scheduled_time]": "2026-12-24T18:00:00Z",
        "publish[0][video_cover_timestamp]": "1500",
        "publish[0][is_ai_generated]": "false",
        "publish[0][text]": "false",
        **{f"publish[1][{name}]": value for name, value in INSTAGRAM.items()},
        "publish[1][share_to_feed]": "false",
        "publish[1][collaborators][0]": "ada",
        "publish[1][disclosure]": "true",
    }
    moment: dict[str, Any] = {
        "scheduled_time": "2026-12-24T18:00:00Z",
        "video_cover_timestamp": 1_500,
        "is_ai_generated": False,
    }

    assert read_form(fields).publish == [
        a_target("tiktok", privacy_level="SELF_ONLY", text="false", **moment),
        a_target("instagram", share_to_feed=False, collaborators=["ada"], disclosure="true"),
    ]
    refusal = refusal_of(lambda: read_form({**fields, "publish[0][is_ai_generated]": "True"}))
    assert refusal.param == "publish[0].is_ai_generated"


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("seconds[]", "seconds"),
        ("publish[platform]", "publish"),
        ("publish[0]", "publish[0]"),
        ("metadata[a][b]", "metadata.a"),
        ("provider_options[]", "provider_options"),
        ("nothing[of][the][kind]", "nothing"),
    ],
)
def test_brackets_where_none_belong_are_refused_by_the_field(field: str, param: str) -> None:
    assert refusal_of(lambda: read_form({field: "x"})).param == param


# What the SDK sends


@pytest.mark.parametrize(
    "targets",
    [
        [TWITTER, {**INSTAGRAM, "text": "whose?"}],
        [{**INSTAGRAM, "collaborators": ["ada"]}, {**INSTAGRAM, "account_id": "2", "collaborators": ["bob"]}],
    ],
)
def test_targets_that_the_sdk_mixes_up_are_refused_with_the_way_round(targets: list[dict[str, object]]) -> None:
    refusal = refusal_of(lambda: create_by_sdk({"publish": targets}))

    assert str(refusal.param).startswith("publish[][")
    assert "as JSON text" in refusal.message
    assert create_by_sdk({"publish": json.dumps(targets)}) == read_json(publish=targets)


SDK_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
SDK_KEYS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='[]%"'), min_size=1, max_size=20
).filter(lambda key: key not in {"__proto__", "constructor", "prototype"})
SDK_TARGETS = st.fixed_dictionaries(
    {"platform": st.sampled_from(["twitter", "instagram", "bluesky"]), "text": st.text("xyz ✓", min_size=1)}
)
# Text that reads as a truth value is one: a form cannot tell them apart.
SDK_WORDS = SDK_TEXTS.filter(str.isalpha).filter(lambda text: text not in {"true", "false"})
SDK_SCALARS = st.booleans() | st.integers(-(10**16), 10**16) | st.floats(-1e6, 1e6) | SDK_WORDS
SDK_OPTIONS = st.recursive(
    SDK_SCALARS,
    lambda inner: (
        st.lists(SDK_SCALARS, min_size=1, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, min_size=1)
    ),
    max_leaves=5,
)


@given(
    extra=st.fixed_dictionaries(
        {},
        optional={
            "publish": st.lists(SDK_TARGETS, min_size=1, max_size=5).map(
                lambda targets: [{**target, "account_id": str(number)} for number, target in enumerate(targets)]
            ),
            "metadata": st.dictionaries(SDK_KEYS, SDK_TEXTS, min_size=1, max_size=5),
            "fallback_models": st.lists(st.text("abc-1", min_size=1), min_size=1, max_size=4),
            "provider_options": st.dictionaries(st.sampled_from(["seed", "0", "a"]), SDK_OPTIONS, min_size=1),
            "resubmit": st.booleans(),
            "seconds": st.integers(1, 20).map(str),
            "input_reference": st.sampled_from([{"image_url": URL}, {"upload_id": UPLOAD_ID}, UPLOAD_ID]),
        },
    )
)
def test_whatever_the_sdk_sends_is_what_json_would_have_said(extra: dict[str, Any]) -> None:
    assert create_by_sdk(extra) == read_json(**extra)


# Requests for a video made of another


@pytest.mark.parametrize("kind", DERIVING)
def test_a_video_is_named_by_its_id_alone_or_in_an_object(kind: str) -> None:
    model = {"edit": EditVideoRequest, "extend": ExtendVideoRequest}[kind]
    fields = {**NEEDED[kind], "publish": [TWITTER]}
    expected = model(**{**fields, "video": VIDEO_ID})
    bracketed = {name: str(value) for name, value in NEEDED[kind].items() if name != "video"}
    stand_in = {"video": b"x" * VIDEO_STAND_IN_MAX_BYTES}

    assert PARSERS[kind](*send_json(fields)) == expected
    assert PARSERS[kind](*send_json({**fields, "video": {"id": VIDEO_ID}})) == expected
    assert (
        PARSERS[kind](*send_form({**bracketed, "video[id]": VIDEO_ID, "publish": json.dumps([TWITTER])}, stand_in))
        == expected
    )


@pytest.mark.parametrize("video", [openai.omit, b"x"])
def test_a_stand_in_that_the_sdk_must_send_beside_the_id_is_passed_over(video: Any) -> None:
    extra = {"video": {"id": VIDEO_ID}, "publish": [TWITTER]}
    edit = send_by_sdk(lambda client: client.videos.edit(prompt=PROMPT, video=video, extra_body=extra))
    extend = send_by_sdk(lambda client: client.videos.extend(prompt=PROMPT, seconds="8", video=video, extra_body=extra))

    assert parse_edit_video(*edit).video_id == parse_extend_video(*extend).video_id == VIDEO_ID


@pytest.mark.parametrize("kind", DERIVING)
def test_a_video_that_is_uploaded_is_refused_with_what_is_needed(kind: str) -> None:
    for fields, size in (({}, 0), ({}, 5_000), ({"video[id]": VIDEO_ID}, VIDEO_STAND_IN_MAX_BYTES + 1)):
        sent = send_form({"prompt": PROMPT, "seconds": "8", **fields}, {"video": b"x" * size})
        refusal = refusal_of(PARSERS[kind], *sent)
        assert (refusal.param, refusal.code) == ("video", "unsupported_file")
        assert "needs a video of this library" in refusal.message


@pytest.mark.parametrize("video", ["a#b", "video_1\n", "x" * 129, 1, ["video_1"], {}, {"id": "a", "b": 1}])
def test_a_video_of_another_shape_is_refused(video: object) -> None:
    refusal = refusal_of(parse_edit_video, *send_json({"prompt": PROMPT, "video": video}))

    assert (refusal.param, refusal.code) == ("video", "invalid_value")


@pytest.mark.parametrize("kind", DERIVING)
def test_a_missing_video_is_refused_also_under_the_name_that_it_has_within(kind: str) -> None:
    refusal = refusal_of(PARSERS[kind], *send_json({"prompt": PROMPT, "seconds": 8, "video_id": VIDEO_ID}))

    assert (refusal.param, refusal.code) == ("video", "missing_required_parameter")


@pytest.mark.parametrize("seconds", [0, EXTENSION_MAX_SECONDS + 1, True])
def test_an_extension_of_no_sane_length_is_refused(seconds: object) -> None:
    for most in (1, EXTENSION_MAX_SECONDS):
        assert parse_extend_video(*send_json({**NEEDED["extend"], "seconds": most})).seconds == most
    assert refusal_of(parse_extend_video, *send_json({**NEEDED["extend"], "seconds": seconds})).param == "seconds"


def test_a_remix_names_its_video_in_its_path() -> None:
    extra = {"metadata": {"campaign": "kites"}}
    expected = RemixVideoRequest(prompt=PROMPT, video_id=VIDEO_ID, metadata={"campaign": "kites"})

    sent = send_by_sdk(lambda client: client.videos.remix("x", prompt=PROMPT, extra_body=extra))

    assert parse_remix(*sent) == parse_remix(*send_json({"prompt": PROMPT, **extra})) == expected


@pytest.mark.parametrize("field", ["video", "video_id", "seconds", "model", "input_reference", "provider_options"])
def test_a_remix_takes_nothing_of_the_kind(field: str) -> None:
    refusal = refusal_of(parse_remix, *send_json({"prompt": PROMPT, field: VIDEO_ID}))

    assert (refusal.param, refusal.code) == (field, "unknown_parameter")


@pytest.mark.parametrize("video_id", ["", "a#b", "x" * 129])
def test_a_path_that_can_name_no_video_is_not_found(video_id: str) -> None:
    assert check_video_id(VIDEO_ID) == VIDEO_ID
    with pytest.raises(NotFound):
        parse_remix_video(*send_json({"prompt": PROMPT}), video_id=video_id)


# Fingerprints


def fingerprint_of(**fields: Any) -> str:
    return parse_create_video(*send_json({**FULL, **fields})).fingerprint()


def test_a_picture_counts_by_its_content_however_it_is_sent() -> None:
    pictures = (PICTURE, ("another.name", PICTURE, "image/jpeg"), PICTURE + b"x")
    first, same, other = (create_by_sdk({}, input_reference=picture).fingerprint() for picture in pictures)

    assert first == same == read_json(input_reference=DATA_URL).fingerprint() != other


def test_what_is_as_by_default_counts_as_not_sent() -> None:
    default = {"model": "sora-2", "seconds": 4, "size": "720x1280", "metadata": {}, "publish": [], "resubmit": False}
    default |= {"text": None, "title": None, "stagger_minutes": 0, "delivery": "direct", "approval": "none"}

    assert read_json(**default).fingerprint() == read_json().fingerprint()
    assert fingerprint_of(publish=[{**TIKTOK, "is_ai_generated": True}]) == fingerprint_of(publish=[TIKTOK])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", PROMPT + " "),
        ("seconds", 12),
        ("fallback_models", None),
        ("provider_options", {"seed": "7", "style": "oil"}),
        ("publish", []),
        ("publish", [{**TIKTOK, "is_draft": True, "account_id": "102"}]),
        ("publish", [{**TIKTOK, "is_draft": True, "scheduled_time": "2026-12-24T18:00:00Z"}]),
        ("text", "Look up"),
        ("approval", "required"),
        ("webhook_url", None),
        ("input_reference", UPLOAD_ID),
    ],
)
def test_any_change_gives_another_fingerprint(field: str, value: object) -> None:
    assert fingerprint_of(**{field: value}) != fingerprint_of()


def test_a_time_counts_and_not_the_offset_it_is_written_with() -> None:
    one, same, other = (
        fingerprint_of(publish=[{**TWITTER, "scheduled_time": written}])
        for written in ("2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00", "2026-12-24T19:00:00Z")
    )

    assert one == same != other


def test_another_video_another_kind_or_another_length_is_another_request() -> None:
    requests = [
        *(EditVideoRequest(prompt=PROMPT, video_id=video_id) for video_id in ("video_1", "video_2")),
        *(RemixVideoRequest(prompt=PROMPT, video_id=video_id) for video_id in ("video_1", "video_2")),
        *(ExtendVideoRequest(prompt=PROMPT, video_id="video_1", seconds=seconds) for seconds in (4, 8)),
    ]

    assert len({request.fingerprint() for request in requests}) == 6


def test_a_fingerprint_outlives_a_process_and_a_release() -> None:
    # Written down: a retry may meet a newer release than its first try did.
    written = "fb72e05a3f7767195d5aafe8eef7224eb4287b021fb94bda7b742651240aa0d1"
    program = (
        "import sys\n"
        "from mediaposter.wire.requests import parse_create_video\n"
        "print(parse_create_video(sys.stdin.buffer.read(), 'application/json').fingerprint())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=send_json(FULL).body,
        env={"PYTHONHASHSEED": "1", "PYTHONPATH": "layers/mediaposter"},
        capture_output=True,
        check=True,
    )

    assert done.stdout.decode().strip() == fingerprint_of() == written


# Anything at all


BOUNDARY = "a-boundary"
CONTENT_TYPES = st.sampled_from([JSON, f"multipart/form-data; boundary={BOUNDARY}"]) | st.text()
CHUNKS = st.binary(max_size=20) | st.sampled_from(
    [f"--{BOUNDARY}".encode(), b"--", b"\r\n", b'Content-Disposition: form-data; name="prompt"', b'{"prompt": ']
)
EVERYTHING = st.text(alphabet=st.characters(), max_size=40)
KEYS = st.sampled_from(["platform", "account_id", "text", "id"]) | EVERYTHING
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just("twitter") | EVERYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)
FIELD_NAMES = st.sampled_from([*CreateVideoRequest.model_fields, "video", "video[id]", "publish[][platform]"])
BRACKETS = st.sampled_from(["", "0", "1", "id", "image_url", "platform"]) | st.text(max_size=3)


@given(kind=st.sampled_from([*PARSERS]), body=st.lists(CHUNKS).map(b"".join), content_type=CONTENT_TYPES)
def test_whatever_bytes_are_sent_to_a_route_they_are_read_or_refused(kind: str, body: bytes, content_type: str) -> None:
    refusal_or_none(PARSERS[kind], body, content_type)


@given(kind=st.sampled_from([*PARSERS]), fields=st.dictionaries(FIELD_NAMES | EVERYTHING, ANY_JSON, max_size=5))
def test_whatever_json_is_sent_to_a_route_it_is_read_or_refused(kind: str, fields: dict[str, object]) -> None:
    sent = send_json({**NEEDED[kind], **fields})

    if refusal_or_none(PARSERS[kind], *sent) is None:
        assert PARSERS[kind](*sent).model_dump_json().encode()


@given(
    kind=st.sampled_from([*PARSERS]),
    fields=st.dictionaries(
        st.builds(
            lambda root, keys: root + "".join(f"[{key}]" for key in keys), FIELD_NAMES, st.lists(BRACKETS, max_size=3)
        ),
        st.text(max_size=20) | ANY_JSON.map(json.dumps),
        max_size=6,
    ),
    files=st.dictionaries(st.sampled_from(["input_reference", "video", "prompt"]), st.binary(), max_size=2),
)
def test_whatever_form_is_sent_to_a_route_it_is_read_or_refused(
    kind: str, fields: dict[str, str], files: dict[str, bytes]
) -> None:
    refusal_or_none(PARSERS[kind], *send_form({"prompt": PROMPT, **fields}, files))
