"""The bodies callers send, as JSON, by hand or by the openai SDK, and what is refused in them."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.api.pictures import REQUEST_PICTURE_MAX_BYTES, PictureUrl, UploadedPicture, UploadReference
from mediaposter.api.requests import (
    EXTENSION_MAX_SECONDS,
    PROVIDER_OPTIONS_MAX_BYTES,
    VIDEO_STAND_IN_MAX_BYTES,
    CreateVideoRequest,
    DeriveVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
    parse_create_video,
    parse_edit_video,
    parse_extend_video,
    parse_remix_video,
)
from mediaposter.errors import InvalidRequest, NotFound
from tests.builders import a_target

JSON = "application/json"
PROMPT = "A red kite over the sea"
TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "101"}
TIKTOK = {"platform": "tiktok", "account_id": "101", "privacy_level": "SELF_ONLY"}
BOUNDARY = "a-boundary"
VIDEO_ID = "video_0193d2a5b6c7"
UPLOAD_ID = "upload_" + "0123456789abcdef" * 2
URL = "https://example.com/kite.png"


def write_picture(width: int = 90, height: int = 160) -> bytes:
    """Write a PNG that is whole, if not worth looking at."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", b"x"), (b"IEND", b""))
    )


PICTURE = write_picture()


def read_json(fields: object) -> CreateVideoRequest:
    return parse_create_video(json.dumps(fields).encode(), JSON)


def encode_form(fields: dict[str, str | bytes]) -> tuple[bytes, str]:
    """Build a form as a client does."""
    request = httpx.Request(
        "POST", "https://api.example", files={name: (None, value) for name, value in fields.items()}
    )
    return request.read(), request.headers["content-type"]


def read_form(fields: dict[str, str | bytes]) -> CreateVideoRequest:
    return parse_create_video(*encode_form(fields))


def write_form(*parts: tuple[str, bytes], end: str = f"--{BOUNDARY}--\r\n") -> bytes:
    """Write a form by hand, each part with the headers it is given."""
    written = b"".join(
        f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode("latin-1") + value + b"\r\n" for headers, value in parts
    )
    return written + end.encode()


def read_written(body: bytes, boundary: str = BOUNDARY) -> CreateVideoRequest:
    return parse_create_video(body, f"multipart/form-data; boundary={boundary}")


def refusal_of(read: Callable[[], object]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refusal:
        read()
    return refusal.value


class Sent(NamedTuple):
    """A body as it came over the wire."""

    body: bytes
    content_type: str


def send_json(fields: object) -> Sent:
    return Sent(json.dumps(fields).encode(), JSON)


def send_form(fields: dict[str, str], files: dict[str, bytes] | None = None) -> Sent:
    parts = [(name, (None, value.encode())) for name, value in fields.items()]
    named = [(name, ("a.png", content)) for name, content in (files or {}).items()]
    request = httpx.Request("POST", "https://api.example", files=[*parts, *named])
    return Sent(request.read(), request.headers["content-type"])


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


def refusal_of_sent(parse: Callable[[bytes, str], object], sent: Sent) -> InvalidRequest:
    return refusal_of(lambda: parse(*sent))


def parse_remix(body: bytes, content_type: str) -> RemixVideoRequest:
    return parse_remix_video(body, content_type, video_id=VIDEO_ID)


PARSERS: dict[str, Callable[[bytes, str], CreateVideoRequest | DeriveVideoRequest]] = {
    "create": parse_create_video,
    "remix": parse_remix,
    "edit": parse_edit_video,
    "extend": parse_extend_video,
}


# Each field, by both ways in.


def read_both(field: str, value: Any) -> list[Callable[[], CreateVideoRequest]]:
    text = value if isinstance(value, str) else json.dumps(value)
    return [
        lambda: read_json({"prompt": PROMPT, field: value}),
        lambda: read_form({"prompt": PROMPT, field: text}),
    ]


def test_a_prompt_alone_is_enough() -> None:
    request = CreateVideoRequest(prompt=PROMPT, model="sora-2", seconds=4, size="720x1280", metadata={}, publish=[])

    assert read_json({"prompt": PROMPT}) == request
    assert read_form({"prompt": PROMPT}) == request


def test_every_field_can_be_sent_as_json() -> None:
    request = read_json(
        {
            "prompt": PROMPT,
            "model": "sora-2-pro",
            "seconds": "8",
            "size": "1280x720",
            "metadata": {"campaign": "kites"},
            "publish": [TWITTER, {**TIKTOK, "text": "Look up"}],
        }
    )

    assert (request.prompt, request.model, request.seconds, request.size) == (PROMPT, "sora-2-pro", 8, "1280x720")
    assert request.metadata == {"campaign": "kites"}
    assert request.publish == [a_target(), a_target("tiktok", privacy_level="SELF_ONLY", text="Look up")]


def test_every_field_can_be_sent_as_a_form_with_json_in_its_fields() -> None:
    request = read_form(
        {
            "prompt": "Ein roter Drache über dem Meer 🪁",
            "model": "sora-2-pro",
            "seconds": "8",
            "size": "1280x720",
            "metadata": json.dumps({"campaign": "kites"}),
            "publish": json.dumps([TWITTER, {**TIKTOK, "text": "Look up"}]),
        }
    )

    assert (request.prompt, request.seconds) == ("Ein roter Drache über dem Meer 🪁", 8)
    assert request.metadata == {"campaign": "kites"}
    assert request.publish == [a_target(), a_target("tiktok", privacy_level="SELF_ONLY", text="Look up")]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json; x=✓"]
)
def test_the_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    assert parse_create_video(json.dumps({"prompt": PROMPT}).encode(), content_type).prompt == PROMPT


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "✓/✓", "x" * 100_000])
def test_another_content_type_is_refused_with_those_that_are_taken(content_type: str) -> None:
    refusal = refusal_of(lambda: parse_create_video(b"{}", content_type))

    assert refusal.code == "unsupported_content_type"
    assert "send multipart/form-data or application/json" in refusal.message
    assert len(refusal.message) < 200


# prompt


@pytest.mark.parametrize("prompt", ["", " ", "\t\r\n", "\u2003"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    for read in (lambda: read_json({"prompt": prompt}), lambda: read_form({"prompt": prompt})):
        assert refusal_of(read).param == "prompt"


def test_a_missing_prompt_is_refused() -> None:
    for read in (lambda: read_json({}), lambda: read_form({"model": "sora-2"})):
        refusal = refusal_of(read)
        assert (refusal.param, refusal.code) == ("prompt", "missing_required_parameter")
        assert refusal.message == "prompt: is required."


def test_a_prompt_of_32000_characters_fits() -> None:
    assert len(read_json({"prompt": "ü" * 32_000}).prompt) == 32_000


@pytest.mark.parametrize("length", [32_001, 100_000])
def test_a_longer_prompt_is_refused_and_not_repeated(length: int) -> None:
    for read in (lambda: read_json({"prompt": "kite" * length}), lambda: read_form({"prompt": "kite" * length})):
        refusal = refusal_of(read)
        assert refusal.param == "prompt"
        assert "32000" in refusal.message
        assert "kite" not in refusal.message


@pytest.mark.parametrize("prompt", [1, True, None, ["kite"], {"kite": 1}])
def test_a_prompt_that_is_not_text_is_refused_and_not_repeated(prompt: object) -> None:
    refusal = refusal_of(lambda: read_json({"prompt": prompt}))

    assert refusal.param == "prompt"
    assert "kite" not in refusal.message


def test_half_a_character_is_no_text() -> None:
    assert refusal_of(lambda: parse_create_video(rb'{"prompt": "\ud800"}', JSON)).param == "prompt"


# seconds, size, model


@pytest.mark.parametrize("seconds", ["4", 4, 4.0])
def test_seconds_may_be_text_or_a_number(seconds: object) -> None:
    assert read_json({"prompt": PROMPT, "seconds": seconds}).seconds == 4


@pytest.mark.parametrize("seconds", ["four", "", "4s", "4.5", 4.5, True, False, [4], "٤x", "9" * 5_000])
def test_seconds_that_are_no_whole_number_are_refused(seconds: object) -> None:
    refusal = refusal_of(lambda: read_json({"prompt": PROMPT, "seconds": seconds}))

    assert (refusal.param, refusal.code) == ("seconds", "invalid_value")
    assert len(refusal.message) < 300


def test_not_a_number_is_refused() -> None:
    assert refusal_of(lambda: parse_create_video(b'{"prompt": "a", "seconds": NaN}', JSON)).param == "seconds"


@pytest.mark.parametrize(
    ("field", "value"), [("model", ""), ("model", "m" * 129), ("model", 2), ("size", "s" * 33), ("size", 720)]
)
def test_a_model_or_size_of_another_shape_is_refused(field: str, value: object) -> None:
    assert refusal_of(lambda: read_json({"prompt": PROMPT, field: value})).param == field


def test_an_unknown_field_is_refused_by_its_name() -> None:
    for read in (
        lambda: read_json({"prompt": PROMPT, "aspect_ratio": "9:16"}),
        lambda: read_form({"prompt": PROMPT, "aspect_ratio": "9:16"}),
    ):
        refusal = refusal_of(read)
        assert (refusal.param, refusal.code) == ("aspect_ratio", "unknown_parameter")


def test_a_name_as_long_as_a_body_is_not_repeated_whole() -> None:
    refusal = refusal_of(lambda: read_json({"prompt": PROMPT, "x" * 1_000_000: 1}))

    assert refusal.param == "x" * 80
    assert len(refusal.message) < 200


# JSON bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"prompt": "a"',
        b'{"prompt": "a"}}',
        b"{'prompt': 'a'}",
        b"prompt=a",
        b"\xff\xfe\xfd",
        b'{"prompt": "\xff"}',
        b"\0\0\0\0",
        b"[" * 100_000,
        b'{"prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"seconds": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    refusal = refusal_of(lambda: parse_create_video(body, JSON))

    assert refusal.code == "invalid_json"
    assert refusal.message.startswith("The body ")


@pytest.mark.parametrize("body", ["[]", '[{"prompt": "a"}]', '"a"', "1", "null", "true"])
def test_json_that_is_no_object_is_refused(body: str) -> None:
    refusal = refusal_of(lambda: parse_create_video(body.encode(), JSON))

    assert (refusal.code, refusal.message) == ("invalid_json", "The body must be a JSON object.")


def test_half_a_character_in_a_name_is_refused() -> None:
    assert refusal_of(lambda: parse_create_video(rb'{"prompt": "a", "\ud800": 1}', JSON)).code == "invalid_value"


# Multipart bodies


PROMPT_PART = ('Content-Disposition: form-data; name="prompt"', PROMPT.encode())
PUBLISH_PART = ('Content-Disposition: form-data; name="publish"', json.dumps([TWITTER]).encode())


def test_a_form_written_by_hand_is_read() -> None:
    assert read_written(write_form(PROMPT_PART, PUBLISH_PART)).publish == [a_target()]


@pytest.mark.parametrize("end", [f"--{BOUNDARY}--", f"--{BOUNDARY}--\r\nan epilogue"])
def test_what_comes_after_the_last_boundary_does_not_matter(end: str) -> None:
    assert read_written(write_form(PROMPT_PART, end=end)).prompt == PROMPT


WHOLE = write_form(PROMPT_PART, PUBLISH_PART).removesuffix(b"\r\n")


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_form_that_ends_early_is_refused_wherever_it_ends(size: int) -> None:
    assert refusal_of(lambda: read_written(WHOLE[:size])).code == "invalid_multipart"


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y"]
)
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    refusal = refusal_of(lambda: parse_create_video(WHOLE, content_type))

    assert (refusal.code, refusal.message) == ("invalid_multipart", "The multipart content type names no boundary.")


def test_a_form_under_another_boundary_is_refused() -> None:
    assert refusal_of(lambda: read_written(WHOLE, boundary="another")).code == "invalid_multipart"


@pytest.mark.parametrize(
    "body",
    [
        b"\0" * 100,
        b"a preamble" + WHOLE,
        f"--{BOUNDARY}--\r\n".encode(),
        write_form(("Content-Disposition: form-data", b"x")),
        write_form(("X-Other: y", b"x")),
        write_form(("\r\n".join(f"X-{number}: y" for number in range(100)), b"x")),
        write_form(('Content-Disposition: form-data; name="pr\xffompt"', b"x")),
    ],
    ids=["zeros", "preamble", "no part", "no name", "no disposition", "headers", "name not utf-8"],
)
def test_a_malformed_form_is_refused(body: bytes) -> None:
    assert refusal_of(lambda: read_written(body)).code == "invalid_multipart"


def test_a_form_that_is_not_utf_8_is_refused() -> None:
    refusal = refusal_of(lambda: read_form({"prompt": b"\xff\xfe"}))

    assert (refusal.param, refusal.code) == ("prompt", "invalid_multipart")
    assert refusal.message == (
        "prompt: is not UTF-8: byte 1 of it is 0xFF, as in Latin-1 or Windows-1252. Send the form as UTF-8."
    )


def test_a_field_that_comes_twice_is_refused_by_its_name() -> None:
    refusal = refusal_of(lambda: read_written(write_form(PROMPT_PART, PROMPT_PART)))

    assert (refusal.param, refusal.code) == ("prompt", "duplicate_field")
    assert PROMPT not in refusal.message


def test_a_file_is_refused_by_its_field() -> None:
    for field in ("video", "prompt", "publish", "input_reference[]", "x" * 3_000):
        sent = send_form({"prompt": PROMPT}, {field: PICTURE})
        for parse in PARSERS.values():
            if parse in {PARSERS["edit"], PARSERS["extend"]} and field == "video":
                continue
            refusal = refusal_of_sent(parse, sent)
            assert (refusal.param, refusal.code) == (field[:80], "unsupported_file")


@pytest.mark.parametrize("field", ["publish", "metadata"])
@pytest.mark.parametrize("text", ["", "[{", "{'a': 1}", "[" * 100_000, '{"a": ' * 100_000])
def test_a_nested_field_of_a_form_that_is_not_json_is_refused_by_its_name(field: str, text: str) -> None:
    refusal = refusal_of(lambda: read_form({"prompt": PROMPT, field: text}))

    assert refusal.param == field
    assert refusal.message.startswith((f"{field}: is not valid JSON: ", f"{field}: is nested more than 64 levels deep"))


@pytest.mark.parametrize(
    ("field", "text"), [("publish", "{}"), ("publish", '"x"'), ("metadata", "[]"), ("metadata", "1")]
)
def test_a_nested_field_of_another_type_is_refused_by_its_name(field: str, text: str) -> None:
    assert refusal_of(lambda: read_form({"prompt": PROMPT, field: text})).param == field


# publish


def test_twenty_targets_can_be_named() -> None:
    targets = [{**TWITTER, "account_id": str(number)} for number in range(20)]

    assert len(read_json({"prompt": PROMPT, "publish": targets}).publish) == 20


def publish_refusal(*targets: object) -> InvalidRequest:
    """Give the refusal of some targets, which is the same both ways."""
    refusals = [refusal_of(read) for read in read_both("publish", list(targets))]
    assert refusals[0].message == refusals[1].message
    return refusals[0]


def test_more_are_refused() -> None:
    refusal = publish_refusal(*[{**TWITTER, "account_id": str(number)} for number in range(21)])

    assert refusal.param == "publish"
    assert "at most 20" in refusal.message


def test_an_account_that_is_named_twice_is_refused() -> None:
    refusal = publish_refusal(TWITTER, TIKTOK, {**TWITTER, "text": "another text"})

    assert refusal.message == "publish: twitter account 101 is named twice; an account takes a video once."


def test_the_same_account_id_on_another_network_is_another_account() -> None:
    assert len(read_json({"prompt": PROMPT, "publish": [TWITTER, TIKTOK]}).publish) == 2


@pytest.mark.parametrize(
    ("target", "param", "code"),
    [
        ({"platform": "facebook", "account_id": "1"}, "publish[1].page_id", "missing_required_parameter"),
        ({"platform": "bluesky"}, "publish[1].account_id", "missing_required_parameter"),
        ({"platform": "bluesky", "account_id": "1", "isDraft": True}, "publish[1].isDraft", "unknown_parameter"),
        ({"platform": "bluesky", "account_id": 1}, "publish[1].account_id", "invalid_value"),
        ({"platform": "bluesky", "account_id": "1\n"}, "publish[1].account_id", "invalid_value"),
        ({"platform": "bluesky", "account_id": "1", "text": "x" * 301}, "publish[1].text", "invalid_value"),
        ({**TIKTOK, "is_ai_generated": "true"}, "publish[1].is_ai_generated", "invalid_value"),
        ({**TIKTOK, "is_branded_content": True}, "publish[1]", "invalid_value"),
        ({**INSTAGRAM, "collaborators": ["ada", 1]}, "publish[1].collaborators[1]", "invalid_value"),
        ({"platform": "myspace", "account_id": "1"}, "publish[1]", "invalid_value"),
        ({"account_id": "1"}, "publish[1]", "missing_required_parameter"),
        ("twitter", "publish[1]", "invalid_value"),
    ],
)
def test_an_error_names_the_field_of_a_target_as_callers_write_it(target: object, param: str, code: str) -> None:
    refusal = publish_refusal(TWITTER, target)

    assert (refusal.param, refusal.code) == (param, code)
    assert refusal.message.startswith("publish[1]")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"platform": "facebook", "account_id": "1"}, "publish[1] (facebook account 1): page_id: is required."),
        ({**INSTAGRAM, "collaborators": ["@ada"]}, "publish[1] (instagram account 101): collaborators[0]: may "),
        ({**TWITTER, "account_id": "2", "text": "x" * 281}, "publish[1] (twitter account 2): text: at most 280 char"),
        ({**INSTAGRAM, "text": "#a " * 6}, "publish[1] (instagram account 101): hashtags: at most 5, got 6."),
        ({**INSTAGRAM, "media_type": "story", "text": "a"}, "publish[1] (instagram account 101): text: a story on "),
        ({**TIKTOK, "is_branded_content": True}, "publish[1] (tiktok account 101): privacy_level: branded content "),
        ({**INSTAGRAM, "scheduled_time": 5}, "publish[1] (instagram account 101): scheduled_time: must be a date and"),
        ({"platform": "bluesky"}, "publish[1] (bluesky): account_id: is required."),
        ({"platform": "bluesky", "account_id": "a b"}, "publish[1] (bluesky): account_id: may have letters A to Z, "),
        ({"platform": "myspace", "account_id": "1"}, "publish[1]: platform: must be one of twitter, instagram, "),
    ],
)
def test_a_refusal_names_the_target_the_field_and_the_limit(target: object, message: str) -> None:
    assert publish_refusal(TWITTER, target).message.startswith(message)


def test_a_caption_that_does_not_fit_is_not_repeated() -> None:
    refusal = publish_refusal({**TWITTER, "text": "kite " * 100})

    assert refusal.message == "publish[0] (twitter account 101): text: at most 280 characters, got 500."


def test_a_platform_as_long_as_a_body_is_not_repeated_whole() -> None:
    assert len(publish_refusal({**TWITTER, "platform": "x" * 1_000_000}).message) < 500


# what goes with it

ABOUT_POSTS: dict[str, Any] = {
    "text": "{prompt} at {title}",
    "title": "Dusk",
    "stagger_minutes": 30,
    "delivery": "verified",
    "approval": "required",
    "approval_hours": 12,
}


@pytest.mark.parametrize("kind", PARSERS)
def test_what_is_said_of_posts_is_read_in_every_request_by_both_ways(kind: str) -> None:
    needed = {"video": VIDEO_ID, **DERIVING[kind]} if kind in DERIVING else {"prompt": PROMPT}
    fields = {**needed, **ABOUT_POSTS, "publish": [TWITTER]}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}

    for sent in (send_json(fields), send_form(texts)):
        request = PARSERS[kind](*sent)
        assert {name: getattr(request, name) for name in ABOUT_POSTS} == ABOUT_POSTS


def test_posts_go_out_directly_together_and_unseen_unless_the_caller_says_otherwise() -> None:
    request = read_json({"prompt": PROMPT, "publish": [TWITTER]})

    assert {name: getattr(request, name) for name in ABOUT_POSTS} == {
        "text": None,
        "title": None,
        "stagger_minutes": 0,
        "delivery": "direct",
        "approval": "none",
        "approval_hours": 24,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", ""),
        ("text", "x" * 5_000),
        ("title", "x" * 100),
        ("stagger_minutes", 1_440),
        ("stagger_minutes", "0"),
        ("approval_hours", 1),
        ("approval_hours", "168"),
    ],
)
def test_what_is_said_of_posts_is_taken_up_to_its_limit(field: str, value: object) -> None:
    for fields in ({"publish": [TWITTER]}, {"publish": json.dumps([TWITTER])}):
        assert read_json({"prompt": PROMPT, "approval": "required", **fields, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "x" * 5_001),
        ("text", "a\0b"),
        ("text", 1),
        ("title", ""),
        ("title", " "),
        ("title", "a\0b"),
        ("title", "x" * 101),
        ("stagger_minutes", -1),
        ("stagger_minutes", 1_441),
        ("stagger_minutes", True),
        ("stagger_minutes", "soon"),
        ("delivery", "sometime"),
        ("approval", True),
        ("approval", "maybe"),
        ("approval_hours", 0),
        ("approval_hours", 169),
        ("approval_hours", 1.5),
    ],
)
def test_what_is_said_of_posts_is_refused_past_it(field: str, value: object) -> None:
    refusal = refusal_of(
        lambda: read_json({"prompt": PROMPT, "publish": [TWITTER], "approval": "required", field: value})
    )

    assert (refusal.param, refusal.code) == (field, "invalid_value")


@pytest.mark.parametrize(
    ("field", "value"), [("stagger_minutes", 30), ("delivery", "verified"), ("approval", "required")]
)
@pytest.mark.parametrize("publish", [{}, {"publish": []}])
def test_without_targets_there_is_nothing_to_say_of_posts(field: str, value: object, publish: dict[str, Any]) -> None:
    refusal = refusal_of(lambda: read_json({"prompt": PROMPT, **publish, field: value}))

    assert refusal.message == f"{field}: needs publish: without targets there are no posts that it could be about."
    assert (refusal.param, refusal.code) == (field, "invalid_value")


def test_what_is_as_by_default_needs_no_targets() -> None:
    default = {"stagger_minutes": 0, "delivery": "direct", "approval": "none", "approval_hours": 24, "text": "a"}

    assert read_json({"prompt": PROMPT, **default}).publish == []


def test_hours_of_an_approval_that_nobody_gives_are_refused() -> None:
    refusal = refusal_of(lambda: read_json({"prompt": PROMPT, "publish": [TWITTER], "approval_hours": 3}))

    assert refusal.message == 'approval_hours: needs approval to be "required".'


def test_targets_that_are_wrong_are_what_is_told() -> None:
    fields = {"prompt": PROMPT, "publish": [{"platform": "bluesky"}], "approval": "required"}

    assert refusal_of(lambda: read_json(fields)).param == "publish[0].account_id"


def test_flags_times_and_numbers_of_every_network_are_read_in_brackets() -> None:
    fields = {
        "publish[0][platform]": "tiktok",
        "publish[0][account_id]": "101",
        "publish[0][privacy_level]": "SELF_ONLY",
        "publish[0][scheduled_time]": "2026-12-24T18:00:00Z",
        "publish[0][video_cover_timestamp]": "1500",
        "publish[1][platform]": "instagram",
        "publish[1][account_id]": "101",
        "publish[1][next_free_slot]": "true",
        "publish[1][trial]": "true",
        "publish[1][collaborators][0]": "ada",
        "publish[1][disclosure]": "true",
    }

    assert parse_create_video(*send_form({"prompt": PROMPT, **fields})).publish == [
        a_target(
            "tiktok",
            privacy_level="SELF_ONLY",
            scheduled_time="2026-12-24T18:00:00Z",
            video_cover_timestamp=1_500,
        ),
        a_target("instagram", next_free_slot=True, trial=True, collaborators=["ada"], disclosure="true"),
    ]


# metadata


def test_metadata_of_the_largest_size_is_taken() -> None:
    metadata = {f"{number:064}": "v" * 512 for number in range(16)}

    assert read_json({"prompt": PROMPT, "metadata": metadata}).metadata == metadata


@pytest.mark.parametrize(
    ("metadata", "param"),
    [
        ({f"key{number}": "v" for number in range(17)}, "metadata"),
        ({"campaign": "v" * 513}, "metadata.campaign"),
        ({"campaign": 1}, "metadata.campaign"),
        ({"campaign": None}, "metadata.campaign"),
        ({"k" * 65: "v"}, "metadata." + "k" * 65),
        ({"": "v"}, "metadata."),
        ([], "metadata"),
    ],
    ids=["pairs", "value", "number", "null", "key", "empty key", "list"],
)
def test_metadata_past_its_limits_is_refused(metadata: object, param: str) -> None:
    for read in read_both("metadata", metadata):
        assert refusal_of(read).param == param


# input_reference


def reference_of(sent: Sent) -> object:
    return parse_create_video(*sent).input_reference


def test_a_picture_comes_as_a_file() -> None:
    assert reference_of(send_form({"prompt": PROMPT}, {"input_reference": PICTURE})) == UploadedPicture.read(PICTURE)


@pytest.mark.parametrize(
    "reference",
    [{"image_url": URL}, {"upload_id": UPLOAD_ID}, URL, UPLOAD_ID],
    ids=["url", "upload", "url alone", "upload alone"],
)
def test_a_picture_is_named_in_json_in_brackets_and_as_json_text(reference: dict[str, str] | str) -> None:
    is_upload = UPLOAD_ID in (reference if isinstance(reference, str) else reference.values())
    expected = UploadReference(upload_id=UPLOAD_ID) if is_upload else PictureUrl(url=URL)

    assert reference_of(send_json({"prompt": PROMPT, "input_reference": reference})) == expected
    if isinstance(reference, str):
        assert reference_of(send_form({"prompt": PROMPT, "input_reference": reference})) == expected
    else:
        bracketed = {f"input_reference[{key}]": value for key, value in reference.items()}
        assert reference_of(send_form({"prompt": PROMPT, **bracketed})) == expected
        assert reference_of(send_form({"prompt": PROMPT, "input_reference": json.dumps(reference)})) == expected


def test_a_data_url_is_a_picture() -> None:
    url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()

    for sent in (
        send_json({"prompt": PROMPT, "input_reference": {"image_url": url}}),
        send_json({"prompt": PROMPT, "input_reference": url}),
        send_form({"prompt": PROMPT, "input_reference[image_url]": url}),
    ):
        assert reference_of(sent) == UploadedPicture.read(PICTURE)


def test_there_need_not_be_a_picture() -> None:
    assert reference_of(send_json({"prompt": PROMPT})) is None
    assert reference_of(send_json({"prompt": PROMPT, "input_reference": None})) is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"input_reference": URL}, "mixed_field"),
        ({"input_reference[image_url]": URL}, "mixed_field"),
        ({"input_reference": ""}, "mixed_field"),
    ],
)
def test_a_picture_that_comes_twice_is_refused(fields: dict[str, str], code: str) -> None:
    sent = send_form({"prompt": PROMPT, **fields}, {"input_reference": PICTURE})
    refusal = refusal_of(lambda: parse_create_video(*sent))

    assert (refusal.param, refusal.code) == ("input_reference", code)


@pytest.mark.parametrize(
    "reference",
    ["", "{", '{"image_url"', "kite.png", "http://example.com", 1, [], {}, {"image_url": 1}, {"file_id": "file-1"}],
)
def test_another_reference_is_refused_by_its_field(reference: object) -> None:
    for read in read_both("input_reference", reference):
        assert refusal_of(read).param == "input_reference"


def test_a_file_that_is_no_picture_is_refused() -> None:
    for content in (b"", b"pixels", PICTURE[:-1]):
        sent = send_form({"prompt": PROMPT}, {"input_reference": content})
        refusal = refusal_of_sent(parse_create_video, sent)
        assert (refusal.param, refusal.code) == ("input_reference", "invalid_value")


def test_a_picture_that_is_too_large_for_a_request_is_refused_with_the_way_round() -> None:
    sent = send_form({"prompt": PROMPT}, {"input_reference": PICTURE + b"x" * REQUEST_PICTURE_MAX_BYTES})
    refusal = refusal_of(lambda: parse_create_video(*sent))

    assert (refusal.param, refusal.code) == ("input_reference", "request_too_large")
    assert "POST /uploads" in refusal.message


# webhook_url


def test_a_webhook_is_an_https_url() -> None:
    assert read_json({"prompt": PROMPT}).webhook_url is None
    for read in read_both("webhook_url", "https://example.com/hook"):
        assert read().webhook_url == "https://example.com/hook"


@pytest.mark.parametrize(
    "url", ["", "http://example.com", "https://u:secret@example.com", "https://e.com/" + "x" * 2_048]
)
def test_another_webhook_is_refused_and_not_repeated(url: str) -> None:
    for read in read_both("webhook_url", url):
        refusal = refusal_of(read)
        assert (refusal.param, refusal.code) == ("webhook_url", "invalid_value")
        assert "secret" not in refusal.message


# provider_options


def options_of(fields: dict[str, str]) -> object:
    return parse_create_video(*send_form({"prompt": PROMPT, **fields})).provider_options


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("1.5", 1.5),
        ("1.0", 1.0),
        ("1e-07", 1e-07),
        ("true", True),
        ("false", False),
    ],
)
def test_an_option_in_brackets_is_what_json_would_write_so(text: str, value: object) -> None:
    options = options_of({"provider_options[x]": text, "provider_options[y][]": text, "provider_options[z][a]": text})

    assert options == {"x": value, "y": [value], "z": {"a": value}}
    assert isinstance(options, dict)
    assert type(options["x"]) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "007",
        "3.10",
        "+1",
        "1e999",
        "1E5",
        " 7",
        "NaN",
        "Infinity",
        "null",
        "True",
        '"7"',
        "[7]",
        "\N{ARABIC-INDIC DIGIT SEVEN}",
        "9" * 5_000,
    ],
)
def test_any_other_option_in_brackets_is_text(text: str) -> None:
    assert options_of({"provider_options[x]": text}) == {"x": text}


def test_an_option_may_be_called_by_a_number() -> None:
    assert options_of({"provider_options[0]": "a"}) == {"0": "a"}


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": [1e999]}', '{"a": "\\ud800"}', '{"a": {"\\ud800": 1}}', '{"\\ud800": 1}']
)
def test_options_that_only_python_takes_for_json_are_refused(text: str) -> None:
    for read in (
        lambda: parse_create_video(f'{{"prompt": "a", "provider_options": {text}}}'.encode(), JSON),
        lambda: read_form({"prompt": PROMPT, "provider_options": text}),
    ):
        assert str(refusal_of(read).param).startswith("provider_options")


def nest(depth: int) -> dict[str, Any]:
    value: Any = 1
    for level in range(depth):
        value = {"a": value} if level == depth - 1 or level % 2 else [value]
    assert isinstance(value, dict)
    return value


def test_options_may_be_nested_sixteen_levels_deep() -> None:
    assert read_json({"prompt": PROMPT, "provider_options": nest(16)}).provider_options == nest(16)
    for depth in (17, 100, 400):
        refusal = refusal_of_sent(parse_create_video, send_json({"prompt": PROMPT, "provider_options": nest(depth)}))
        assert str(refusal.param).startswith("provider_options")
        assert len(refusal.message) < 500


def test_options_may_have_64_kb_as_the_record_keeps_them() -> None:
    longest = {"a": "ü" * ((PROVIDER_OPTIONS_MAX_BYTES - len('{"a": ""}')) // len("\\u00fc"))}

    assert read_json({"prompt": PROMPT, "provider_options": longest}).provider_options == longest
    for options in ({**longest, "b": 1}, {"a": [1] * 1_000_000}):
        refusal = refusal_of_sent(parse_create_video, send_json({"prompt": PROMPT, "provider_options": options}))
        assert (refusal.param, refusal.code) == ("provider_options", "invalid_value")


# Names that come twice in JSON


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"prompt": "a", "prompt": "b"}', "prompt"),
        (b'{"prompt": "a", "prompt": "a"}', "prompt"),
        (b'{"prompt": "a", "metadata": {"k": "v", "k": "w"}}', "k"),
        (b'{"prompt": "a", "\\ud800": 1, "\\ud800": 2}', "?"),
    ],
)
def test_a_name_that_comes_twice_in_json_is_refused(body: bytes, param: str) -> None:
    refusal = refusal_of(lambda: parse_create_video(body, JSON))

    assert (refusal.param, refusal.code) == (param, "duplicate_field")


def test_a_name_that_comes_twice_in_json_text_is_refused_by_its_field() -> None:
    refusal = refusal_of(lambda: read_form({"prompt": PROMPT, "metadata": '{"k": "v", "k": "w"}'}))

    assert (refusal.param, refusal.message) == ("metadata", "metadata: has 'k' twice.")


def test_half_a_character_in_a_key_is_named_so_that_a_reply_can_carry_it() -> None:
    in_metadata = refusal_of(lambda: parse_create_video(rb'{"prompt": "a", "metadata": {"\ud800": "v"}}', JSON))
    in_body = refusal_of(lambda: parse_create_video(rb'{"prompt": "a", "\ud800": 1}', JSON))

    assert in_metadata.param == "metadata"
    assert (str(in_metadata.param) + in_metadata.message).encode()
    assert (in_body.param, in_body.message[:10]) == (None, "The body: ")


# What the SDK sends


def create_by_sdk(extra: dict[str, object], **fields: Any) -> CreateVideoRequest:
    return parse_create_video(
        *send_by_sdk(lambda client: client.videos.create(prompt=PROMPT, extra_body=extra, **fields))
    )


def test_the_sdks_own_fields_are_read() -> None:
    request = create_by_sdk(
        {}, model="sora-2-pro", seconds="8", size="1280x720", input_reference=("kite.png", PICTURE, "image/png")
    )

    assert request == CreateVideoRequest(
        prompt=PROMPT,
        model="sora-2-pro",
        seconds=8,
        size="1280x720",
        input_reference=UploadedPicture.read(PICTURE),
    )


def test_what_the_sdk_nests_is_read_as_it_was_meant() -> None:
    fields = {
        "publish": [{**INSTAGRAM, "collaborators": ["ada", "bob"], "share_to_feed": False}],
        "metadata": {"2026": "x", "campaign": "kites ü🪁", 'a "quoted" key': "true"},
        "fallback_models": ["kite-1", "glider-1"],
        "provider_options": {
            "seed": 7,
            "guidance": 1.5,
            "loop": True,
            "style": "007",
            "sizes": [1, 2],
            "a": {"b": "c"},
        },
        "resubmit": True,
        "webhook_url": "https://example.com/hook",
        "input_reference": {"image_url": URL},
    }

    assert create_by_sdk(fields) == read_json({"prompt": PROMPT, **fields})


def test_targets_with_the_same_keys_can_be_sent_by_the_sdk_as_they_are() -> None:
    targets = [{**TWITTER, "text": "true"}, {**INSTAGRAM, "text": "b"}, {**INSTAGRAM, "account_id": "2", "text": "a"}]

    assert create_by_sdk({"publish": targets}) == read_json({"prompt": PROMPT, "publish": targets})


@pytest.mark.parametrize(
    "targets",
    [
        [TWITTER, {**INSTAGRAM, "text": "whose?"}],
        [TWITTER, TIKTOK],
        [{**TWITTER, "text": ""}, {**INSTAGRAM, "text": "whose?"}],
        [{**INSTAGRAM, "collaborators": ["ada"]}, {**INSTAGRAM, "account_id": "2", "collaborators": ["bob"]}],
    ],
)
def test_targets_that_the_sdk_mixes_up_are_refused_with_the_way_round(targets: list[dict[str, object]]) -> None:
    refusal = refusal_of(lambda: create_by_sdk({"publish": targets}))

    assert str(refusal.param).startswith("publish[][")
    assert "as JSON text" in refusal.message
    text = json.dumps(targets)
    assert create_by_sdk({"publish": text}) == read_json({"prompt": PROMPT, "publish": text})


def test_flags_of_a_target_in_brackets_are_no_text() -> None:
    fields = {f"publish[0][{key}]": value for key, value in {**TIKTOK, "is_draft": "true", "text": "false"}.items()}
    request = parse_create_video(*send_form({"prompt": PROMPT, **fields}))

    assert request.publish == [a_target("tiktok", privacy_level="SELF_ONLY", is_draft=True, text="false")]
    for flag in ("True", "1", ""):
        wrong = send_form({"prompt": PROMPT, **fields, "publish[0][is_draft]": flag})
        assert refusal_of_sent(parse_create_video, wrong).param == "publish[0].is_draft"


@pytest.mark.parametrize(
    ("field", "param"),
    [
        ("prompt[a]", "prompt"),
        ("seconds[]", "seconds"),
        ("publish[platform]", "publish"),
        ("publish[]", "publish[0]"),
        ("publish[0]", "publish[0]"),
        ("metadata[]", "metadata"),
        ("metadata[a][b]", "metadata.a"),
        ("fallback_models[a]", "fallback_models"),
        ("fallback_models[0][a]", "fallback_models[0]"),
        ("resubmit[]", "resubmit"),
        ("provider_options[]", "provider_options"),
        ("input_reference[]", "input_reference"),
        ("input_reference[url]", "input_reference"),
        ("webhook_url[0]", "webhook_url"),
        ("nothing[of][the][kind]", "nothing"),
    ],
)
def test_brackets_where_none_belong_are_refused_by_the_field(field: str, param: str) -> None:
    fields = {"prompt": PROMPT} if field != "prompt[a]" else {}
    sent = send_form({**fields, field: "x"})

    assert refusal_of(lambda: parse_create_video(*sent)).param == param


# Remix


def test_a_remix_is_sent_as_json_or_as_a_form() -> None:
    expected = RemixVideoRequest(prompt=PROMPT, video_id=VIDEO_ID, metadata={"campaign": "kites"})
    fields = {"metadata": {"campaign": "kites"}}

    assert (
        parse_remix(*send_by_sdk(lambda client: client.videos.remix("x", prompt=PROMPT, extra_body=fields))) == expected
    )
    assert parse_remix(*send_json({"prompt": PROMPT, **fields})) == expected
    assert parse_remix(*send_form({"prompt": PROMPT, "metadata[campaign]": "kites"})) == expected


@pytest.mark.parametrize("field", ["video", "video_id", "seconds", "model", "input_reference", "provider_options"])
def test_a_remix_takes_nothing_of_the_kind(field: str) -> None:
    refusal = refusal_of(lambda: parse_remix(*send_json({"prompt": PROMPT, field: VIDEO_ID})))

    assert (refusal.param, refusal.code) == (field, "unknown_parameter")


@pytest.mark.parametrize("video_id", ["", "a#b", "a\n", "ü", "x" * 129])
def test_a_path_that_can_name_no_video_is_not_found(video_id: str) -> None:
    with pytest.raises(NotFound):
        parse_remix_video(*send_json({"prompt": PROMPT}), video_id=video_id)


# Edit and extend

DERIVING = {"edit": {"prompt": PROMPT}, "extend": {"prompt": PROMPT, "seconds": "8"}}


@pytest.mark.parametrize("kind", DERIVING)
@pytest.mark.parametrize("video", [VIDEO_ID, {"id": VIDEO_ID}])
def test_a_video_is_named_in_every_way(kind: str, video: object) -> None:
    fields = DERIVING[kind]
    bracketed = {"video": video} if isinstance(video, str) else {"video[id]": VIDEO_ID}
    expected: object = EditVideoRequest(prompt=PROMPT, video_id=VIDEO_ID)
    if kind == "extend":
        expected = ExtendVideoRequest(prompt=PROMPT, video_id=VIDEO_ID, seconds=8)

    assert PARSERS[kind](*send_json({**fields, "video": video})) == expected
    assert PARSERS[kind](*send_form({**fields, **bracketed})) == expected
    assert (
        PARSERS[kind](*send_form({**fields, "video": video if isinstance(video, str) else json.dumps(video)}))
        == expected
    )


@pytest.mark.parametrize("video", [openai.omit, b"", b"x", b"\0" * VIDEO_STAND_IN_MAX_BYTES])
@pytest.mark.parametrize("named", [VIDEO_ID, {"id": VIDEO_ID}])
def test_a_stand_in_that_the_sdk_must_send_beside_the_id_is_passed_over(video: Any, named: object) -> None:
    extra = {"video": named, "publish": [TWITTER]}
    edit = send_by_sdk(lambda client: client.videos.edit(prompt=PROMPT, video=video, extra_body=extra))
    extend = send_by_sdk(lambda client: client.videos.extend(prompt=PROMPT, seconds="8", video=video, extra_body=extra))

    assert parse_edit_video(*edit) == EditVideoRequest(prompt=PROMPT, video_id=VIDEO_ID, publish=[a_target()])
    assert parse_extend_video(*extend) == ExtendVideoRequest(
        prompt=PROMPT, video_id=VIDEO_ID, seconds=8, publish=[a_target()]
    )


@pytest.mark.parametrize("kind", DERIVING)
def test_a_video_that_is_uploaded_is_refused_with_what_is_needed(kind: str) -> None:
    for fields, size in (({}, 0), ({}, 1), ({}, 5_000), ({"video[id]": VIDEO_ID}, VIDEO_STAND_IN_MAX_BYTES + 1)):
        sent = send_form({**DERIVING[kind], **fields}, {"video": b"x" * size})
        refusal = refusal_of_sent(PARSERS[kind], sent)
        assert (refusal.param, refusal.code) == ("video", "unsupported_file")
        assert "needs a video of this library" in refusal.message


@pytest.mark.parametrize("kind", DERIVING)
@pytest.mark.parametrize(
    "video",
    [
        "",
        "a b",
        "a#b",
        "video_1\n",
        "x" * 129,
        1,
        [],
        ["video_1"],
        {},
        {"id": 1},
        {"id": ""},
        {"id": "a", "b": 1},
        "{",
    ],
)
def test_a_video_of_another_shape_is_refused(kind: str, video: object) -> None:
    refusal = refusal_of(lambda: PARSERS[kind](*send_json({**DERIVING[kind], "video": video})))

    assert (refusal.param, refusal.code) == ("video", "invalid_value")


@pytest.mark.parametrize("kind", DERIVING)
def test_a_missing_video_is_refused(kind: str) -> None:
    for fields in (DERIVING[kind], {**DERIVING[kind], "video_id": VIDEO_ID}):
        refusal = refusal_of_sent(PARSERS[kind], send_json(fields))
        assert (refusal.param, refusal.code) == ("video", "missing_required_parameter")


@pytest.mark.parametrize("seconds", [0, -1, EXTENSION_MAX_SECONDS + 1, 10**300, True, "x", None])
def test_an_extension_of_no_sane_length_is_refused(seconds: object) -> None:
    sent = send_json({"prompt": PROMPT, "video": VIDEO_ID, "seconds": seconds})

    assert refusal_of(lambda: parse_extend_video(*sent)).param == "seconds"


def test_an_extension_without_seconds_is_refused() -> None:
    refusal = refusal_of(lambda: parse_extend_video(*send_json({"prompt": PROMPT, "video": VIDEO_ID})))

    assert (refusal.param, refusal.code) == ("seconds", "missing_required_parameter")


# Fingerprints


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


def fingerprint_of(fields: dict[str, Any]) -> str:
    return parse_create_video(*send_json(fields)).fingerprint()


def test_the_same_request_has_the_same_fingerprint_however_it_is_sent() -> None:
    nested = ("metadata", "fallback_models", "provider_options", "publish", "input_reference")
    numbered = {
        **{name: str(value) for name, value in FULL.items() if name not in nested},
        "resubmit": "true",
        "metadata[a]": "y",
        "metadata[b]": "x",
        "fallback_models[0]": "glider-1",
        "provider_options[style]": "oil",
        "provider_options[seed]": "7",
        **{f"publish[0][{name}]": value for name, value in TIKTOK.items()},
        "publish[0][is_draft]": "true",
        "input_reference": URL,
    }
    texts = {name: json.dumps(value) if name in nested else str(value) for name, value in FULL.items()}

    fingerprints = {
        fingerprint_of(FULL),
        fingerprint_of(dict(reversed(FULL.items())) | {"seconds": 8}),
        create_by_sdk({name: value for name, value in FULL.items() if name != "prompt"}).fingerprint(),
        create_by_sdk({name: value for name, value in FULL.items() if name != "prompt"}).fingerprint(),
        parse_create_video(*send_form(numbered)).fingerprint(),
        parse_create_video(*send_form(texts)).fingerprint(),
    }

    assert len(fingerprints) == 1


def test_a_picture_counts_by_its_content_however_it_is_sent() -> None:
    url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    fingerprints = {
        fingerprint_of({"prompt": PROMPT, "input_reference": {"image_url": url}}),
        create_by_sdk({}, input_reference=PICTURE).fingerprint(),
        create_by_sdk({}, input_reference=("another.name", PICTURE, "image/jpeg")).fingerprint(),
    }

    assert len(fingerprints) == 1
    assert create_by_sdk({}, input_reference=write_picture(91)).fingerprint() not in fingerprints
    assert create_by_sdk({}, input_reference=PICTURE + b"x").fingerprint() not in fingerprints


def test_what_is_as_by_default_counts_as_not_sent() -> None:
    default = {"model": "sora-2", "seconds": 4, "size": "720x1280", "metadata": {}, "publish": [], "resubmit": False}

    default |= {"text": None, "title": None, "stagger_minutes": 0, "delivery": "direct", "approval": "none"}

    assert fingerprint_of({"prompt": PROMPT, **default}) == fingerprint_of({"prompt": PROMPT})
    assert fingerprint_of({"prompt": PROMPT, "publish": [{**TIKTOK, "is_ai_generated": True}]}) == fingerprint_of(
        {"prompt": PROMPT, "publish": [TIKTOK]}
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", PROMPT + " "),
        ("model", "kite-2"),
        ("seconds", 12),
        ("size", "720x1280"),
        ("metadata", {"b": "x"}),
        ("metadata", {"b": "y", "a": "x"}),
        ("fallback_models", []),
        ("fallback_models", None),
        ("resubmit", False),
        ("provider_options", {"seed": "7", "style": "oil"}),
        ("provider_options", {"seed": 7}),
        ("publish", []),
        ("publish", [{**TIKTOK, "is_draft": False}]),
        ("publish", [{**TIKTOK, "is_draft": True, "is_ai_generated": False}]),
        ("publish", [{**TIKTOK, "is_draft": True, "account_id": "102"}]),
        ("publish", [{**TIKTOK, "is_draft": True, "next_free_slot": True}]),
        ("publish", [{**TIKTOK, "is_draft": True, "scheduled_time": "2026-12-24T18:00:00Z"}]),
        ("text", "Look up"),
        ("title", "Dusk"),
        ("stagger_minutes", 30),
        ("delivery", "verified"),
        ("approval", "required"),
        ("webhook_url", "https://example.com/hook2"),
        ("webhook_url", None),
        ("input_reference", URL + "2"),
        ("input_reference", UPLOAD_ID),
        ("input_reference", None),
    ],
)
def test_any_change_gives_another_fingerprint(field: str, value: object) -> None:
    assert fingerprint_of({**FULL, field: value}) != fingerprint_of(FULL)


def test_a_time_counts_and_not_the_offset_it_is_written_with() -> None:
    one, same, other = (
        fingerprint_of({"prompt": PROMPT, "publish": [{**TWITTER, "scheduled_time": written}]})
        for written in ("2026-12-24T18:00:00Z", "2026-12-24T19:00:00+01:00", "2026-12-24T19:00:00Z")
    )

    assert one == same != other


def test_the_order_of_targets_counts() -> None:
    one, other = [TWITTER, INSTAGRAM], [INSTAGRAM, TWITTER]

    assert fingerprint_of({"prompt": PROMPT, "publish": one}) != fingerprint_of({"prompt": PROMPT, "publish": other})


def test_another_video_another_kind_or_another_length_is_another_request() -> None:
    bodies = [{"video": "video_1"}, {"video": "video_2"}]
    fingerprints = [parse_edit_video(*send_json({"prompt": PROMPT, **body})).fingerprint() for body in bodies]
    fingerprints += [
        parse_remix_video(*send_json({"prompt": PROMPT}), video_id=video_id).fingerprint()
        for video_id in ("video_1", "video_2")
    ]
    fingerprints += [
        parse_extend_video(*send_json({"prompt": PROMPT, "seconds": seconds, "video": "video_1"})).fingerprint()
        for seconds in (4, 8)
    ]

    assert len(set(fingerprints)) == 6


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    program = (
        "import sys\n"
        "from mediaposter.api.requests import parse_create_video\n"
        "print(parse_create_video(sys.stdin.buffer.read(), 'application/json').fingerprint())"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=send_json(FULL).body,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "layers/mediaposter"},
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().strip() == fingerprint_of(FULL)


def test_a_fingerprint_outlives_a_release() -> None:
    # Written down: a retry may meet a newer release than its first try did.
    assert fingerprint_of(FULL) == "fb72e05a3f7767195d5aafe8eef7224eb4287b021fb94bda7b742651240aa0d1"


# Anything at all


CONTENT_TYPES = st.sampled_from([JSON, f"multipart/form-data; boundary={BOUNDARY}"]) | st.text()
CHUNKS = st.binary(max_size=20) | st.sampled_from(
    [
        f"--{BOUNDARY}".encode(),
        b"--",
        b"\r\n",
        b'Content-Disposition: form-data; name="prompt"',
        b'{"prompt": ',
    ]
)
NAMES = st.sampled_from(["platform", "account_id", "text", "twitter"]) | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


def refusal_or_none(read: Callable[[], object]) -> InvalidRequest | None:
    try:
        read()
    except InvalidRequest as refusal:
        return refusal
    return None


@given(body=st.lists(CHUNKS).map(b"".join), content_type=CONTENT_TYPES)
def test_whatever_is_sent_is_read_or_refused_in_a_sentence(body: bytes, content_type: str) -> None:
    refusal = refusal_or_none(lambda: parse_create_video(body, content_type))

    assert refusal is None or len(refusal.message) < 600


@given(VALUES)
def test_whatever_is_to_be_published_is_read_or_refused_in_a_sentence(value: object) -> None:
    refusal = refusal_or_none(lambda: read_json({"prompt": PROMPT, "publish": value, "metadata": value}))

    assert refusal is None or len(refusal.message) < 600


EVERYTHING = st.text(alphabet=st.characters(), max_size=40)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | EVERYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(EVERYTHING, inner, max_size=4),
    max_leaves=10,
)
FIELD_NAMES = st.sampled_from([*CreateVideoRequest.model_fields, "video", "video[id]", "publish[][platform]"])


def check_refusal(refusal: InvalidRequest | None) -> None:
    """A refusal is a sentence that a reply can carry."""
    if refusal is not None:
        assert len(refusal.message) < 600
        assert refusal.message.endswith(".")
        assert (refusal.message + (refusal.param or "")).encode()
        assert refusal.param is None or len(refusal.param) <= 80


@pytest.mark.parametrize("kind", PARSERS)
@given(body=st.lists(CHUNKS).map(b"".join) | st.binary(), content_type=CONTENT_TYPES)
def test_whatever_bytes_are_sent_to_a_route_they_are_read_or_refused(kind: str, body: bytes, content_type: str) -> None:
    check_refusal(refusal_or_none(lambda: PARSERS[kind](body, content_type)))


@pytest.mark.parametrize("kind", PARSERS)
@given(fields=st.dictionaries(FIELD_NAMES | EVERYTHING, ANY_JSON, max_size=5))
def test_whatever_json_is_sent_to_a_route_it_is_read_or_refused(kind: str, fields: dict[str, object]) -> None:
    needed = {"prompt": PROMPT, "video": VIDEO_ID, "seconds": 4} if kind in DERIVING else {"prompt": PROMPT}
    check_refusal(refusal_or_none(lambda: PARSERS[kind](*send_json({**needed, **fields}))))


@pytest.mark.parametrize("kind", PARSERS)
@given(
    fields=st.dictionaries(
        st.builds(
            lambda root, keys: root + "".join(f"[{key}]" for key in keys),
            FIELD_NAMES,
            st.lists(st.sampled_from(["", "0", "1", "id", "image_url", "platform"]) | st.text(max_size=3), max_size=3),
        ),
        st.text(max_size=20) | ANY_JSON.map(json.dumps),
        max_size=6,
    ),
    files=st.dictionaries(st.sampled_from(["input_reference", "video", "prompt"]), st.binary(), max_size=2),
)
def test_whatever_form_is_sent_to_a_route_it_is_read_or_refused(
    kind: str, fields: dict[str, str], files: dict[str, bytes]
) -> None:
    check_refusal(refusal_or_none(lambda: PARSERS[kind](*send_form({"prompt": PROMPT, **fields}, files))))


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
    sent, said = create_by_sdk(extra), read_json({"prompt": PROMPT, **extra})

    assert sent == said
    assert sent.fingerprint() == said.fingerprint()


def test_a_prompt_of_every_plane_is_the_same_by_every_way() -> None:
    prompt = "".join(chr(plane * 0x10000 + 0x1234) for plane in range(17))
    fingerprints = {
        parse_create_video(*send).fingerprint()
        for send in (
            send_json({"prompt": prompt}),
            Sent(json.dumps({"prompt": prompt}, ensure_ascii=False).encode(), JSON),
            send_form({"prompt": prompt}),
            send_by_sdk(lambda client: client.videos.create(prompt=prompt)),
        )
    }

    assert len(fingerprints) == 1
