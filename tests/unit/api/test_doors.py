"""What holds at every door by which a request comes in: text that can be written, null, and words for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mediaposter.ai.video_model_interface import VideoGenerationRequest
from mediaposter.api.batches import (
    BatchListQuery,
    CancelBatchRequest,
    CreateBatchRequest,
    ResultsQuery,
    parse_cancel_batch,
    parse_create_batch,
    write_input,
)
from mediaposter.api.intake import (
    QueuedNotice,
    VideoRequested,
    read_correlation_id,
    read_dropped_request,
    read_requested,
)
from mediaposter.api.post_requests import (
    ApprovalRequest,
    MoveRequest,
    PostEdits,
    PublishAgainRequest,
    ResolveRequest,
    parse_approval,
    parse_move,
    parse_publish_again,
    parse_resolve,
)
from mediaposter.api.queries import (
    ContentQuery,
    CreateQuery,
    ListQuery,
    ModelsQuery,
    PostsQuery,
    Query,
    ScheduleQuery,
    UsageQuery,
    parse_query,
)
from mediaposter.api.requests import (
    TARGETS,
    CreateVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
    RequestBody,
    parse_create_video,
    parse_edit_video,
    parse_extend_video,
    parse_remix_video,
    validate_fields,
)
from mediaposter.api.rows import Row, read_csv, read_json, read_jsonl
from mediaposter.api.uploads import UploadRequest, parse_upload
from mediaposter.errors import InvalidRequest
from mediaposter.library.inbox import DroppedFile
from mediaposter.publishing.targets import TwitterTarget, YoutubeTarget
from tests.unit.test_validation_errors import PYDANTIC

JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
HALF = "cut \ud83d"
SENTENCE = "has half a character (U+D83D); send whole characters."
TWITTER = {"platform": "twitter", "account_id": "101"}
Parse = Callable[[bytes, str], object]


def parse_remix(body: bytes, content_type: str) -> RemixVideoRequest:
    return parse_remix_video(body, content_type, video_id="video_1")


def write_form(fields: Mapping[str, str]) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + text.encode() + b"\r\n"
        for name, text in fields.items()
    ]
    return b"".join(parts) + b"--b--\r\n"


def drop(content: bytes) -> DroppedFile:
    return DroppedFile(key="inbox/kite.json", version_id="1", size_bytes=len(content), content=content)


def send_json(parse: Parse, fields: object) -> object:
    return parse(json.dumps(fields).encode(), JSON)


def refusal_of(read: Callable[[], object]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read()
    assert (refused.value.message + (refused.value.param or "")).encode()  # a reply can carry it
    return refused.value


# Half a character


@pytest.mark.parametrize(
    ("parse", "fields", "param"),
    [
        (parse_create_video, {"prompt": HALF}, "prompt"),
        (parse_create_video, {"prompt": "a", "text": HALF}, "text"),
        (parse_create_video, {"prompt": "a", "title": HALF}, "title"),
        (parse_create_video, {"prompt": "a", "model": HALF}, "model"),
        (parse_create_video, {"prompt": "a", "size": HALF}, "size"),
        (parse_create_video, {"prompt": "a", "seconds": HALF}, "seconds"),
        (parse_create_video, {"prompt": "a", "delivery": HALF}, "delivery"),
        (parse_create_video, {"prompt": "a", "webhook_url": HALF}, "webhook_url"),
        (parse_create_video, {"prompt": "a", "input_reference": {"image_url": HALF}}, "input_reference.image_url"),
        (parse_create_video, {"prompt": "a", "fallback_models": ["a", HALF]}, "fallback_models[1]"),
        (parse_create_video, {"prompt": "a", "metadata": {"campaign": HALF}}, "metadata.campaign"),
        (parse_create_video, {"prompt": "a", "provider_options": {"a": [{"b": HALF}]}}, "provider_options.a[0].b"),
        (parse_create_video, {"prompt": "a", "publish": [TWITTER, {**TWITTER, "text": HALF}]}, "publish[1].text"),
        (parse_create_video, {"prompt": "a", "publish": [{**TWITTER, "platform": HALF}]}, "publish[0].platform"),
        (parse_create_video, {"prompt": "a", "nothing": HALF}, "nothing"),
        (parse_remix, {"prompt": HALF}, "prompt"),
        (parse_edit_video, {"prompt": "a", "video": HALF}, "video"),
        (parse_extend_video, {"prompt": "a", "video": {"id": HALF}, "seconds": 4}, "video.id"),
        (parse_publish_again, {"publish": [{**TWITTER, "text": HALF}]}, "publish[0].text"),
        (parse_approval, {"decision": "approve", "edits": {"text": HALF}}, "edits.text"),
        (
            parse_approval,
            {"decision": "approve", "edits": {"publish": [{**TWITTER, "disclosure": HALF}]}},
            "edits.publish[0].disclosure",
        ),
        (parse_resolve, {"outcome": "posted", "url": HALF}, "url"),
        (parse_move, {"scheduled_time": HALF}, "scheduled_time"),
        (parse_upload, {"content_type": HALF, "size_bytes": 1}, "content_type"),
        (parse_create_batch, {"file": HALF}, "file"),
        (parse_cancel_batch, {"running": HALF}, "running"),
    ],
)
def test_half_a_character_is_refused_by_its_field(parse: Parse, fields: dict[str, Any], param: str) -> None:
    refusal = refusal_of(lambda: parse(json.dumps(fields).encode(), JSON))

    assert (refusal.param, refusal.code, refusal.message) == (param, "invalid_value", f"{param}: {SENTENCE}")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": "a", "metadata": {HALF: "v"}}, "metadata"),
        ({"prompt": "a", "provider_options": {"a": {HALF: 1}}}, "provider_options.a"),
        ({"prompt": "a", "publish": [{**TWITTER, HALF: 1}]}, "publish[0]"),
        ({"prompt": "a", HALF: 1}, None),
    ],
)
def test_half_a_character_in_a_name_is_refused_by_where_the_name_stands(
    fields: dict[str, Any], param: str | None
) -> None:
    refusal = refusal_of(lambda: parse_create_video(json.dumps(fields).encode(), JSON))

    assert refusal.param == param
    assert refusal.message == f"{param or 'The body'}: a name in it {SENTENCE}"


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("metadata", {"campaign": HALF}, "metadata.campaign"),
        ("publish", [{**TWITTER, "text": HALF}], "publish[0].text"),
        ("provider_options", {"a": HALF}, "provider_options.a"),
        ("fallback_models", [HALF], "fallback_models[0]"),
    ],
)
def test_half_a_character_in_json_text_is_refused_by_its_field(name: str, value: object, param: str) -> None:
    in_form = write_form({"prompt": "a", name: json.dumps(value)})
    in_json = json.dumps({"prompt": "a", name: json.dumps(value)}).encode()

    for refusal in (
        refusal_of(lambda: parse_create_video(in_form, FORM)),
        refusal_of(lambda: parse_create_video(in_json, JSON)),
    ):
        assert (refusal.param, refusal.message) == (param, f"{param}: {SENTENCE}")


def test_a_null_character_is_refused_wherever_half_a_character_is() -> None:
    for fields in ({"metadata": {"k": "a\0"}}, {"provider_options": {"k": "a\0"}}, {"size": "a\0"}):
        refusal = refusal_of(partial(send_json, parse_create_video, {"prompt": "a", **fields}))
        assert refusal.message.endswith(": must not have null characters.")
    assert refusal_of(lambda: parse_create_video(write_form({"prompt": "a\0"}), FORM)).param == "prompt"


@pytest.mark.parametrize(
    ("model", "parameters", "param"),
    [
        (ListQuery, {"after": HALF}, "after"),
        (ListQuery, {"prompt": HALF}, "prompt"),
        (ListQuery, {"owner": "a\0"}, "owner"),
        (ScheduleQuery, {"after": HALF}, "after"),
        (UsageQuery, {"owner": HALF}, "owner"),
        (ContentQuery, {"variant": HALF}, "variant"),
        (BatchListQuery, {"after": HALF}, "after"),
        (ListQuery, {HALF: "1"}, None),
    ],
)
def test_half_a_character_in_a_query_is_refused(
    model: type[Query], parameters: dict[str, str], param: str | None
) -> None:
    refusal = refusal_of(lambda: parse_query(model, parameters))

    assert (refusal.param, refusal.code) == (param, "invalid_value")


def read_rows(*rows: object) -> list[Row]:
    return list(read_jsonl(["".join(f"{json.dumps(row)}\n" for row in rows).encode()]))


def test_a_row_with_half_a_character_is_refused_alone() -> None:
    good = {"id": "1", "prompt": "A kite"}
    rows = read_rows(good, {"id": "2", "prompt": "a", "publish": [{**TWITTER, "text": HALF}]}, {**good, "id": "3"})

    assert [row.request is not None for row in rows] == [True, False, True]
    error = rows[1].error
    assert error is not None
    assert (rows[1].row_id, error.param, error.message) == ("2", "publish[0].text", f"publish[0].text: {SENTENCE}")


def test_a_row_of_a_request_with_half_a_character_is_refused_alone() -> None:
    sent = {"rows": [{"prompt": "A kite"}, {"prompt": HALF}, {"prompt": "a", "metadata": {HALF: "1"}}]}

    request = parse_create_batch(json.dumps(sent).encode(), JSON)
    rows = list(read_jsonl([write_input(request.rows or [])]))

    assert [row.error and row.error.param for row in rows] == [None, "prompt", "metadata"]


def test_a_cell_with_half_a_character_is_refused_by_its_column() -> None:
    written = io.StringIO()
    csv.writer(written).writerows(
        [["prompt", "provider_options.note"], ["kite", json.dumps(HALF)], ["kite", json.dumps("whole")]]
    )

    wrong, good = read_csv([written.getvalue().encode()])

    assert wrong.error is not None
    assert (wrong.error.param, wrong.error.message) == ("provider_options.note", f"provider_options.note: {SENTENCE}")
    assert good.request is not None


def test_a_dropped_request_with_half_a_character_is_refused_by_its_field() -> None:
    content = json.dumps({"prompt": "a", "text": HALF}).encode()

    for read in (lambda: read_dropped_request(drop(content)), lambda: read_json(content)):
        assert refusal_of(read).message == f"text: {SENTENCE}"


def read_event(**detail: object) -> VideoRequested:
    notice = {"detail-type": "video.requested", "source": "shop", "id": "1", "detail": detail}
    body = QueuedNotice.model_validate({"body": json.dumps(notice)}).body
    assert isinstance(body, VideoRequested)
    return body


def test_an_event_with_half_a_character_is_read_so_that_it_can_be_answered() -> None:
    requested = read_event(prompt=HALF, correlation_id="order 1")

    assert read_correlation_id(requested.detail) == "order 1"
    assert refusal_of(lambda: read_requested(requested.detail)).message == f"prompt: {SENTENCE}"
    in_id = refusal_of(lambda: read_correlation_id(read_event(prompt="a", correlation_id=HALF).detail))
    assert (in_id.param, in_id.message) == ("correlation_id", f"correlation_id: {SENTENCE}")


def test_an_event_with_a_number_of_thousands_of_digits_is_read_so_that_it_can_be_answered() -> None:
    notice = json.dumps(
        {"detail-type": "video.requested", "source": "a", "id": "1", "detail": {"prompt": "a", "seconds": 1}}
    )
    body = QueuedNotice.model_validate({"body": notice.replace('"seconds": 1', '"seconds": ' + "1" * 5_000)}).body

    assert isinstance(body, VideoRequested)
    assert refusal_of(lambda: read_requested(body.detail)).param == "seconds"


@pytest.mark.parametrize(
    "build",
    [
        lambda: VideoGenerationRequest(prompt=HALF),
        lambda: VideoGenerationRequest(prompt="a", provider_options={"a": [HALF]}),
        lambda: VideoGenerationRequest(prompt="a", provider_options={HALF: 1}),
        lambda: TwitterTarget(platform="twitter", account_id="1", text=HALF),
        lambda: TwitterTarget(platform="twitter", account_id="1", disclosure=HALF),
        lambda: YoutubeTarget(platform="youtube", account_id="1", title=HALF),
    ],
)
def test_the_python_classes_refuse_half_a_character(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="half a character"):
        build()


ANY_TEXT = st.text(st.characters(), max_size=6)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["prompt", "text", "metadata", "provider_options", "publish"]), ANY_JSON))
def test_what_is_taken_can_be_written_as_utf_8(fields: dict[str, Any]) -> None:
    try:
        request = parse_create_video(json.dumps({"prompt": "a", **fields}).encode(), JSON)
    except InvalidRequest as refusal:
        assert (refusal.message + (refusal.param or "")).encode()  # noqa: PT017 (either is right)
    else:
        assert request.model_dump_json().encode()


# Bytes that are not UTF-8


@pytest.mark.parametrize(
    "body",
    [
        '{"prompt": "café"}'.encode("latin-1"),
        '{"prompt": "café"}'.encode("utf-16"),
        '{"prompt": "cafe"}'.encode("utf-16-le"),
        '{"prompt": "cafe"}'.encode("utf-16-be"),
        '{"prompt": "cafe"}'.encode("utf-32"),
        '{"prompt": "cafe"}'.encode("utf-32-be"),
        b'{"prompt": "\xed\xa0\xbd"}',  # half a character as bytes
    ],
)
@pytest.mark.parametrize(
    "parse",
    [
        parse_create_video,
        parse_remix,
        parse_publish_again,
        parse_approval,
        parse_move,
        parse_upload,
        parse_create_batch,
    ],
)
def test_json_that_is_not_utf_8_is_refused_as_that(parse: Parse, body: bytes) -> None:
    refusal = refusal_of(lambda: parse(body, JSON))

    assert (refusal.param, refusal.code) == (None, "invalid_json")
    assert "not UTF-8" in refusal.message


def test_a_byte_order_mark_of_utf_8_is_no_part_of_json() -> None:
    assert parse_create_video('{"prompt": "café"}'.encode("utf-8-sig"), JSON).prompt == "café"
    assert read_dropped_request(drop('{"prompt": "café"}'.encode("utf-8-sig"))).request.prompt == "café"


# Null


BODIES: Mapping[type[RequestBody], dict[str, Any]] = MappingProxyType(
    {
        CreateVideoRequest: {"prompt": "a"},
        RemixVideoRequest: {"prompt": "a", "video": "video_1"},
        EditVideoRequest: {"prompt": "a", "video": "video_1"},
        ExtendVideoRequest: {"prompt": "a", "video": "video_1", "seconds": 4},
        PublishAgainRequest: {},
        PostEdits: {"text": "a"},
        ApprovalRequest: {"decision": "approve"},
        ResolveRequest: {"outcome": "send_again"},
        MoveRequest: {"scheduled_time": "2026-12-24T18:00:00Z"},
        CreateBatchRequest: {"file": f"upload_{'a' * 32}"},
        CancelBatchRequest: {},
        UploadRequest: {"content_type": "image/png", "size_bytes": 1},
    }
)
QUERIES: tuple[type[Query], ...] = (
    ListQuery,
    PostsQuery,
    ScheduleQuery,
    UsageQuery,
    ModelsQuery,
    ContentQuery,
    CreateQuery,
    BatchListQuery,
    ResultsQuery,
)


class Field(NamedTuple):
    """A field of a body, by the name that callers have for it."""

    model: type[RequestBody]
    name: str
    is_required: bool


FIELDS = [
    Field(model, str(field.validation_alias or name), is_required=field.is_required())
    for model in BODIES
    for name, field in model.model_fields.items()
]


@pytest.mark.parametrize("field", [field for field in FIELDS if not field.is_required], ids=str)
def test_null_counts_as_not_sent(field: Field) -> None:
    needed = {name: value for name, value in BODIES[field.model].items() if name != field.name}
    if field.model is PostEdits and field.name == "text":
        needed = {"publish": [TWITTER]}
    if field.model is CreateBatchRequest and field.name == "file":
        needed = {"rows": [{}]}

    assert validate_fields(field.model, {**needed, field.name: None}) == validate_fields(field.model, needed)


@pytest.mark.parametrize("field", [field for field in FIELDS if field.is_required], ids=str)
def test_null_for_what_must_be_there_is_a_field_that_is_missing(field: Field) -> None:
    refusal = refusal_of(lambda: validate_fields(field.model, {**BODIES[field.model], field.name: None}))

    assert (refusal.param, refusal.code) == (field.name, "missing_required_parameter")
    assert refusal.message == f"{field.name}: is required."


NEEDED = MappingProxyType(
    {
        "facebook": {"page_id": "1"},
        "tiktok": {"privacy_level": "SELF_ONLY"},
        "youtube": {"title": "A kite"},
        "pinterest": {"board_id": "1"},
    }
)


@pytest.mark.parametrize("model", TARGETS)
def test_null_in_a_target_counts_as_not_sent(model: type[BaseModel]) -> None:
    (platform,) = get_args(model.model_fields["platform"].annotation)
    needed = {"platform": platform, "account_id": "1", **NEEDED.get(platform, {})}
    nulls = {name: None for name, field in model.model_fields.items() if not field.is_required()}

    def read(target: object) -> CreateVideoRequest:
        return validate_fields(CreateVideoRequest, {"prompt": "a", "publish": [target]})

    assert read({**nulls, **needed}) == read(needed)
    for name in needed.keys() - {"platform"}:
        refusal = refusal_of(partial(read, {**needed, name: None}))
        assert (refusal.param, refusal.code) == (f"publish[0].{name}", "missing_required_parameter")


def test_null_is_not_sent_in_a_row_an_event_a_file_and_a_form_of_json_texts() -> None:
    sent = {"prompt": "a", "seconds": None, "publish": None, "metadata": None, "fallback_models": None}
    plain = validate_fields(CreateVideoRequest, {"prompt": "a"})

    assert [row.request for row in read_rows({**sent, "id": None})] == [plain]
    assert read_requested(read_event(**sent, correlation_id=None).detail) == plain
    assert read_dropped_request(drop(json.dumps(sent).encode())).request == plain
    form = {"prompt": "a", "publish": "null", "metadata": "null", "fallback_models": "null", "provider_options": "null"}
    assert parse_create_video(write_form(form), FORM) == plain


def test_null_for_what_is_not_known_is_refused_as_that() -> None:
    in_body = refusal_of(lambda: validate_fields(CreateVideoRequest, {"prompt": "a", "promt": None}))
    in_target = refusal_of(
        lambda: validate_fields(CreateVideoRequest, {"prompt": "a", "publish": [{**TWITTER, "txt": None}]})
    )

    assert (in_body.param, in_body.code) == ("promt", "unknown_parameter")
    assert (in_target.param, in_target.code) == ("publish[0].txt", "unknown_parameter")


# Words for people


WRONG: tuple[Any, ...] = (
    *(True, -1, 1.5, 10**30, float("inf"), float("nan"), "9" * 5_000),
    *("", " ", "é!", "a\nb", "x" * 40_000, "2026-12-24", "0001-01-01T00:00:00+14:00"),
    *([], [None], [1], ["x"] * 200, {}, {"a": 1}, {"": "x"}, {"k" * 65: "x"}),
    {str(number): "x" for number in range(50)},
)


def list_refusals() -> Iterator[InvalidRequest]:
    """Try wrong values on every field of every body, of every target and of every query."""
    tries: list[Callable[[], object]] = [
        partial(validate_fields, model, {**BODIES[model], name: wrong}) for model, name, _ in FIELDS for wrong in WRONG
    ]
    for target in TARGETS:
        (platform,) = get_args(target.model_fields["platform"].annotation)
        needed = {"platform": platform, "account_id": "1", **NEEDED.get(platform, {})}
        tries += [
            partial(validate_fields, CreateVideoRequest, {"prompt": "a", "publish": [{**needed, name: wrong}]})
            for name in target.model_fields
            for wrong in WRONG
        ]
    tries += [
        partial(parse_query, query, {name: wrong})
        for query in QUERIES
        for name in (*query.model_fields, "nothing")
        for wrong in WRONG
        if isinstance(wrong, str)
    ]
    for read in tries:
        try:
            read()
        except InvalidRequest as refusal:
            yield refusal


def test_no_refusal_of_any_field_is_in_pydantics_words() -> None:
    refusals = list(list_refusals())

    assert len(refusals) > 1_000
    for refusal in refusals:
        assert [words for words in PYDANTIC if words in refusal.message] == [], refusal.message
        assert len(refusal.message) < 600
        assert refusal.message.endswith(".")
