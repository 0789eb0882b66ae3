"""The bodies callers send to POST /videos, and what is refused in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaposter.api.requests import CreateVideoRequest, parse_create_video
from mediaposter.errors import InvalidRequest
from tests.builders import a_target

JSON = "application/json"
PROMPT = "A red kite over the sea"
TWITTER = {"platform": "twitter", "account_id": "101"}
INSTAGRAM = {"platform": "instagram", "account_id": "101"}
TIKTOK = {"platform": "tiktok", "account_id": "101", "privacy_level": "SELF_ONLY"}
BOUNDARY = "a-boundary"


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
        assert refusal.message == "prompt: Field required."


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


@pytest.mark.parametrize("seconds", ["four", "", "4s", "4.5", 4.5, True, False, None, [4], "٤x", "9" * 5_000])
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

    assert (refusal.code, refusal.message) == ("invalid_json", "The body is not valid JSON.")


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

    assert (refusal.code, refusal.message) == ("invalid_multipart", "The form is not UTF-8.")


def test_a_field_that_comes_twice_is_refused_by_its_name() -> None:
    refusal = refusal_of(lambda: read_written(write_form(PROMPT_PART, PROMPT_PART)))

    assert (refusal.param, refusal.code) == ("prompt", "duplicate_field")
    assert PROMPT not in refusal.message


def test_a_file_is_refused_by_its_field() -> None:
    form = httpx.Request(
        "POST", "https://api.example", data={"prompt": PROMPT}, files={"input_reference": ("a.png", b"pixels")}
    )

    refusal = refusal_of(lambda: parse_create_video(form.read(), form.headers["content-type"]))

    assert (refusal.param, refusal.code) == ("input_reference", "unsupported_file")


@pytest.mark.parametrize("field", ["publish", "metadata"])
@pytest.mark.parametrize("text", ["", "[{", "{'a': 1}", "[" * 100_000, '{"a": ' * 100_000])
def test_a_nested_field_of_a_form_that_is_not_json_is_refused_by_its_name(field: str, text: str) -> None:
    refusal = refusal_of(lambda: read_form({"prompt": PROMPT, field: text}))

    assert (refusal.param, refusal.message) == (field, f"{field}: not valid JSON.")


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
        ({"account_id": "1"}, "publish[1]", "invalid_value"),
        ("twitter", "publish[1]", "invalid_value"),
    ],
)
def test_an_error_names_the_field_of_a_target_as_callers_write_it(target: object, param: str, code: str) -> None:
    refusal = publish_refusal(TWITTER, target)

    assert (refusal.param, refusal.code) == (param, code)
    assert refusal.message.startswith(f"{param}: ")


def test_a_caption_that_does_not_fit_is_not_repeated() -> None:
    refusal = publish_refusal({**TWITTER, "text": "kite " * 100})

    assert refusal.message == "publish[0].text: at most 280 characters, got 500."


def test_a_platform_as_long_as_a_body_is_not_repeated_whole() -> None:
    assert len(publish_refusal({**TWITTER, "platform": "x" * 1_000_000}).message) < 500


def test_a_target_may_be_null_nowhere() -> None:
    assert refusal_of(lambda: read_json({"prompt": PROMPT, "publish": None})).param == "publish"


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
