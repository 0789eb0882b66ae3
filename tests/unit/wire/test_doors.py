"""What holds at every door by which a request comes in: text that can be written, null, and words for people.

The doors share what reads a body (`parse_body`) and what all its models are made of (`RequestBody`): a rule of those is
asked for in full at one door, and of each other one only whether it has it. Files, events and cells have it, too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

import pytest
from pydantic import BaseModel

from mediaposter.ai.video_model_interface import VideoGenerationRequest
from mediaposter.publishing.targets import TwitterTarget
from mediaposter.stores.inbox import InboxFile
from mediaposter.wire.batches import (
    BatchListQuery,
    CancelBatchRequest,
    CreateBatchRequest,
    ResultsQuery,
    parse_cancel_batch,
    parse_create_batch,
    write_input,
)
from mediaposter.wire.bodies import validate_fields
from mediaposter.wire.body_fields import TARGETS
from mediaposter.wire.intake import (
    QueuedNotice,
    VideoRequested,
    read_correlation_id,
    read_dropped_request,
    read_requested,
)
from mediaposter.wire.post_requests import (
    ApprovalRequest,
    CaptionEdit,
    MoveRequest,
    PostEdits,
    PublishAgainRequest,
    ResolveRequest,
    parse_approval,
    parse_move,
    parse_publish_again,
    parse_resolve,
)
from mediaposter.wire.queries import (
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
from mediaposter.wire.requests import (
    CreateVideoRequest,
    EditVideoRequest,
    ExtendVideoRequest,
    RemixVideoRequest,
    RequestBody,
    parse_create_video,
    parse_edit_video,
    parse_extend_video,
    parse_remix_video,
)
from mediaposter.wire.rows import Row, read_csv, read_json, read_jsonl
from mediaposter.wire.uploads import UploadRequest, parse_upload
from tests.unit.domain.test_validation_errors import PYDANTIC
from tests.unit.wire.sending import JSON, TWITTER, refusal_of, refusal_or_none, send_form, send_json

HALF = "cut \ud83d"
SENTENCE = "has half a character (U+D83D); send whole characters."
# What each body must have.
BODIES: Mapping[type[RequestBody], dict[str, Any]] = MappingProxyType(
    {
        CreateVideoRequest: {"prompt": "a"},
        RemixVideoRequest: {"prompt": "a", "video": "video_1"},
        EditVideoRequest: {"prompt": "a", "video": "video_1"},
        ExtendVideoRequest: {"prompt": "a", "video": "video_1", "seconds": 4},
        PublishAgainRequest: {},
        CaptionEdit: {"platform": "twitter", "account_id": "1", "text": "a"},
        PostEdits: {"text": "a"},
        ApprovalRequest: {"decision": "approve"},
        ResolveRequest: {"outcome": "send_again"},
        MoveRequest: {"scheduled_time": "2026-12-24T18:00:00Z"},
        CreateBatchRequest: {"file": f"upload_{'a' * 32}"},
        CancelBatchRequest: {},
        UploadRequest: {"content_type": "image/png", "size_bytes": 1},
    }
)
FORMS = (parse_create_video, partial(parse_remix_video, video_id="video_1"), parse_edit_video, parse_extend_video)
JSON_ALONE = (parse_approval, parse_resolve, parse_move, parse_create_batch, parse_cancel_batch, parse_upload)
DOORS: tuple[Callable[[bytes, str], object], ...] = (*FORMS, parse_publish_again, *JSON_ALONE)


def _name_door(parse: object) -> str:
    called: Any = getattr(parse, "func", parse)
    return str(called.__name__)


def read_rows(*rows: object) -> list[Row]:
    return list(read_jsonl(["".join(f"{json.dumps(row)}\n" for row in rows).encode()]))


def drop(content: bytes) -> InboxFile:
    return InboxFile(key="inbox/kite.json", version_id="1", size_bytes=len(content), content=content)


def read_event(**detail: object) -> VideoRequested:
    notice = {"detail-type": "video.requested", "source": "shop", "id": "1", "detail": detail}
    body = QueuedNotice.model_validate({"body": json.dumps(notice)}).body
    assert isinstance(body, VideoRequested)
    return body


# One reader of bodies


@pytest.mark.parametrize("parse", DOORS, ids=_name_door)
@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", "invalid_json", "The body is not valid JSON: line 1, column 2: "),
        (b"[]", "invalid_json", "The body must be a JSON object."),
        ('{"prompt": "café"}'.encode("latin-1"), "invalid_json", "The body is not valid JSON: it is not UTF-8"),
        (b'{"a": {"b": 1, "b": 1}}', "duplicate_field", "The body has 'b' twice."),
        (json.dumps({"a": [{"b": HALF}]}).encode(), "invalid_value", f"a[0].b: {SENTENCE}"),
    ],
)
def test_a_body_that_cannot_be_read_in_one_way_is_refused(
    parse: Callable[[bytes, str], object], body: bytes, code: str, words: str
) -> None:
    refusal = refusal_of(parse, body, JSON)

    assert refusal.code == code
    assert refusal.message.startswith(words)


@pytest.mark.parametrize("parse", JSON_ALONE)
def test_what_is_json_alone_says_so(parse: Callable[[bytes, str], object]) -> None:
    for content_type in ("text/plain", "multipart/form-data; boundary=x", ""):
        refusal = refusal_of(parse, b"{}", content_type)
        assert refusal.code == "unsupported_content_type"
        assert "end application/json" in refusal.message


@pytest.mark.parametrize("model", BODIES)
def test_a_field_that_is_not_known_is_refused_also_where_it_is_null(model: type[RequestBody]) -> None:
    for value in ("red", None):
        refusal = refusal_of(validate_fields, model, {**BODIES[model], "colour": value})
        assert (refusal.param, refusal.code) == ("colour", "unknown_parameter")


# Half a character


@pytest.mark.parametrize(
    ("fields", "param", "subject"),
    [
        ({"seconds": HALF}, "seconds", "seconds: "),
        ({"fallback_models": ["a", HALF]}, "fallback_models[1]", "fallback_models[1]: "),
        ({"provider_options": {"a": [{"b": HALF}]}}, "provider_options.a[0].b", "provider_options.a[0].b: "),
        ({"publish": [TWITTER, {**TWITTER, "text": HALF}]}, "publish[1].text", "publish[1].text: "),
        ({"metadata": {HALF: "v"}}, "metadata", "metadata: a name in it "),
        ({"publish": [{**TWITTER, HALF: 1}]}, "publish[0]", "publish[0]: a name in it "),
        ({HALF: 1}, None, "The body: a name in it "),
    ],
)
def test_half_a_character_is_refused_by_where_it_stands(fields: object, param: str | None, subject: str) -> None:
    refusal = refusal_of(validate_fields, CreateVideoRequest, fields)

    assert (refusal.param, refusal.code, refusal.message) == (param, "invalid_value", subject + SENTENCE)


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("metadata", {"campaign": HALF}, "metadata.campaign"),
        ("publish", [{**TWITTER, "text": HALF}], "publish[0].text"),
        ("fallback_models", [HALF], "fallback_models[0]"),
    ],
)
def test_half_a_character_in_json_text_is_refused_by_its_field(name: str, value: object, param: str) -> None:
    fields = {"prompt": "a", name: json.dumps(value)}

    for sent in (send_form(fields), send_json(fields)):
        refusal = refusal_of(parse_create_video, *sent)
        assert (refusal.param, refusal.message) == (param, f"{param}: {SENTENCE}")


def test_a_null_character_is_refused_wherever_half_a_character_is() -> None:
    for fields in ({"metadata": {"k": "a\0"}}, {"provider_options": {"k": "a\0"}}, {"size": "a\0"}):
        refusal = refusal_of(validate_fields, CreateVideoRequest, {"prompt": "a", **fields})
        assert refusal.message.endswith(": must not have null characters.")
    assert refusal_of(parse_create_video, *send_form({"prompt": "a\0"})).param == "prompt"


def test_half_a_character_in_a_query_is_refused() -> None:
    for parameters, param in (({"after": HALF}, "after"), ({"owner": "a\0"}, "owner"), ({HALF: "1"}, None)):
        refusal = refusal_of(parse_query, ListQuery, parameters)
        assert (refusal.param, refusal.code) == (param, "invalid_value")


def test_a_row_with_half_a_character_is_refused_alone() -> None:
    sent = [{"prompt": "A kite"}, {"prompt": HALF}, {"prompt": "a", "metadata": {HALF: "1"}}, {"prompt": "A kite"}]
    request = parse_create_batch(*send_json({"rows": sent}))

    for rows in (read_rows(*sent), list(read_jsonl([write_input(request.rows or [])]))):
        assert [row.error and row.error.param for row in rows] == [None, "prompt", "metadata", None]
        assert [row.error.message for row in rows if row.error] == [
            f"{name}: {SENTENCE}" for name in ("prompt", "metadata")
        ]


def test_a_cell_with_half_a_character_is_refused_by_its_column() -> None:
    written = io.StringIO()
    csv.writer(written).writerows([["prompt", "provider_options.note"], ["kite", json.dumps(HALF)], ["kite", '"a"']])

    wrong, good = read_csv([written.getvalue().encode()])

    assert wrong.error is not None
    assert (wrong.error.param, wrong.error.message) == ("provider_options.note", f"provider_options.note: {SENTENCE}")
    assert good.request is not None


def test_a_dropped_request_with_half_a_character_is_refused_by_its_field() -> None:
    content = json.dumps({"prompt": "a", "text": HALF}).encode()

    assert refusal_of(read_dropped_request, drop(content)).message == f"text: {SENTENCE}"
    assert refusal_of(read_json, content).message == f"text: {SENTENCE}"


def test_an_event_with_half_a_character_is_read_so_that_it_can_be_answered() -> None:
    requested = read_event(prompt=HALF, correlation_id="order 1")

    assert read_correlation_id(requested.detail) == "order 1"
    assert refusal_of(read_requested, requested.detail).message == f"prompt: {SENTENCE}"
    in_id = refusal_of(read_correlation_id, read_event(prompt="a", correlation_id=HALF).detail)
    assert (in_id.param, in_id.message) == ("correlation_id", f"correlation_id: {SENTENCE}")


def test_an_event_with_a_number_of_thousands_of_digits_is_read_so_that_it_can_be_answered() -> None:
    notice = {"detail-type": "video.requested", "source": "a", "id": "1", "detail": {"prompt": "a", "seconds": 1}}
    text = json.dumps(notice).replace('"seconds": 1', '"seconds": ' + "1" * 5_000)
    body = QueuedNotice.model_validate({"body": text}).body

    assert isinstance(body, VideoRequested)
    assert refusal_of(read_requested, body.detail).param == "seconds"


@pytest.mark.parametrize(
    "build",
    [
        lambda: VideoGenerationRequest(prompt=HALF),
        lambda: VideoGenerationRequest(prompt="a", provider_options={HALF: 1}),
        lambda: TwitterTarget(platform="twitter", account_id="1", text=HALF),
        lambda: TwitterTarget(platform="twitter", account_id="1", disclosure=HALF),
    ],
)
def test_the_python_classes_refuse_half_a_character(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="half a character"):
        build()


def test_a_byte_order_mark_of_utf_8_is_no_part_of_json() -> None:
    content = '{"prompt": "café"}'.encode("utf-8-sig")

    assert parse_create_video(content, JSON).prompt == "café"
    assert read_dropped_request(drop(content)).request.prompt == "café"


# Null


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


@pytest.mark.parametrize("model", BODIES)
def test_null_counts_as_not_sent_and_so_it_lacks_what_must_be_there(model: type[RequestBody]) -> None:
    others: dict[tuple[type[RequestBody], str], dict[str, Any]] = {
        (PostEdits, "text"): {"publish": [TWITTER]},
        (CreateBatchRequest, "file"): {"rows": [{}]},
    }
    for _, name, is_required in (field for field in FIELDS if field.model is model):
        needed = {key: value for key, value in BODIES[model].items() if key != name} | others.get((model, name), {})
        read = partial(validate_fields, model, {**needed, name: None})
        if is_required:
            refusal = refusal_of(read)
            assert (refusal.param, refusal.code) == (name, "missing_required_parameter")
            assert refusal.message == f"{name}: is required."
        else:
            assert read() == validate_fields(model, needed)


NEEDED = MappingProxyType(
    {
        "facebook": {"page_id": "1"},
        "tiktok": {"privacy_level": "SELF_ONLY"},
        "youtube": {"title": "A kite"},
        "pinterest": {"board_id": "1"},
    }
)


def write_needed(model: type[BaseModel]) -> dict[str, str]:
    (platform,) = get_args(model.model_fields["platform"].annotation)
    return {"platform": platform, "account_id": "1", **NEEDED.get(platform, {})}


@pytest.mark.parametrize("model", TARGETS)
def test_null_in_a_target_counts_as_not_sent(model: type[BaseModel]) -> None:
    needed = write_needed(model)
    nulls = {name: None for name, field in model.model_fields.items() if not field.is_required()}

    def read(target: object) -> CreateVideoRequest:
        return validate_fields(CreateVideoRequest, {"prompt": "a", "publish": [target]})

    assert read({**nulls, **needed}) == read(needed)
    for name in needed.keys() - {"platform"}:
        refusal = refusal_of(read, {**needed, name: None})
        assert (refusal.param, refusal.code) == (f"publish[0].{name}", "missing_required_parameter")
    unknown = refusal_of(read, {**needed, "txt": None})
    assert (unknown.param, unknown.code) == ("publish[0].txt", "unknown_parameter")


def test_null_is_not_sent_in_a_row_an_event_a_file_and_a_form_of_json_texts() -> None:
    sent = {"prompt": "a", "seconds": None, "publish": None, "metadata": None, "fallback_models": None}
    plain = validate_fields(CreateVideoRequest, {"prompt": "a"})

    assert [row.request for row in read_rows({**sent, "id": None})] == [plain]
    assert read_requested(read_event(**sent, correlation_id=None).detail) == plain
    assert read_dropped_request(drop(json.dumps(sent).encode())).request == plain
    form = dict.fromkeys(("publish", "metadata", "fallback_models", "provider_options"), "null")
    assert parse_create_video(*send_form({"prompt": "a", **form})) == plain


# Words for people


QUERIES: tuple[type[Query], ...] = (
    *(ListQuery, PostsQuery, ScheduleQuery, UsageQuery, ModelsQuery, ContentQuery, CreateQuery),
    *(BatchListQuery, ResultsQuery),
)
WRONG: tuple[Any, ...] = (
    *(True, -1, 1.5, 10**30, float("inf"), float("nan"), "9" * 5_000),
    *("", " ", "é!", "a\nb", "x" * 40_000, "2026-12-24", "0001-01-01T00:00:00+14:00"),
    *([], [None], [1], ["x"] * 200, {}, {"a": 1}, {"": "x"}, {"k" * 65: "x"}),
    {str(number): "x" for number in range(50)},
)


def list_refusals() -> Iterator[str]:
    """Try wrong values on every field of every body, of every target and of every query."""
    tries: list[Callable[[], object]] = [
        partial(validate_fields, model, {**BODIES[model], name: wrong}) for model, name, _ in FIELDS for wrong in WRONG
    ]
    tries += [
        partial(
            validate_fields, CreateVideoRequest, {"prompt": "a", "publish": [{**write_needed(target), name: wrong}]}
        )
        for target in TARGETS
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
        if refusal := refusal_or_none(read):
            yield refusal.message


def test_no_refusal_of_any_field_is_in_pydantics_words() -> None:
    refusals = list(list_refusals())

    assert len(refusals) > 1_000
    assert [message for message in refusals if any(words in message for words in PYDANTIC)] == []
    assert max(map(len, refusals)) < 600
