"""The OpenAPI document: valid, of every route and no other, and true of what is taken and answered."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args

import jsonschema_rs
import pytest
import schemathesis
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from pydantic import BaseModel

from checks.openapi import RESOLVERS
from checks.openapi.document import describe_api
from checks.openapi.routes import UndescribedRoute
from checks.openapi.schemas import collect_schemas
from functions.http.api import app as api
from functions.http.provider_webhooks import app as provider_webhooks
from functions.http.submit import app as submit
from mediaposter.ai.catalog import built_in_catalog
from mediaposter.domain.errors import ApiError, ErrorCode, InvalidRequest, NotStarted, PublisherError
from mediaposter.stores.approvals import Approval, Decision
from mediaposter.stores.budget import BudgetFigures, ModelUsage, PeriodUsage, Usage
from mediaposter.stores.media import PresignedUpload
from mediaposter.stores.posts import PostState, SchedulePage
from mediaposter.stores.video_record import Candidate, Estimate, VideoFailure
from mediaposter.stores.video_stages import Stage
from mediaposter.wire.body_fields import TARGETS
from mediaposter.wire.contract import contract, find_contract, read_openapi
from mediaposter.wire.errors import ErrorEnvelope, present_error
from mediaposter.wire.http import create_resolver, reply
from mediaposter.wire.objects import (
    DeletedVideoObject,
    present_estimate,
    present_models,
    present_page,
    present_posts,
    present_schedules,
    present_upload,
    present_usage,
)
from mediaposter.wire.video_object import present_post, present_video
from tests.builders import NOW, a_post, a_stored_video, a_target, a_video, an_attempt
from tests.unit.functions.stack import read_event, shipped_template
from tests.unit.wire.test_requests import TAKEN

DOCUMENT = json.loads(read_openapi())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]

FAILURE = VideoFailure(code=ErrorCode.CONTENT_POLICY, message="The prompt was refused.")
VIDEOS = {
    "queued": present_video(a_video(), []),
    "rendering": present_video(a_video(stage=Stage.RENDERING, progress=40, attempts=(an_attempt(),)), [a_post()]),
    "failed": present_video(
        a_video(stage=Stage.RENDERING, failure=FAILURE, attempts=(an_attempt(failure=FAILURE, cost_micros=0),)),
        [a_post(state=PostState.FAILED, error_code=ErrorCode.CANCELLED, error_message="Not posted.")],
    ),
    "completed": present_video(
        a_video(stage=Stage.DONE, progress=100, stored=a_stored_video(), completed_at=NOW, cost_micros=400_000),
        [
            a_post(state=PostState.PUBLISHED, public_url="https://x.example/1"),
            a_post(a_target("tiktok"), state=PostState.SCHEDULED, scheduled_time=NOW),
        ],
        Approval(video_id="video_1", decision=Decision.APPROVED, asked_at=NOW, expires_at=NOW, decided_at=NOW),
    ),
}
CANDIDATE = Candidate(
    model="sora-2",
    provider="sora",
    seconds=4,
    size="720x1280",
    cost_estimate_micros=400_000,
    expected_render_seconds=100,
    warnings=("seconds: it becomes 4.",),
)
POSTS = "/videos/{video_id}/posts"
POST = f"{POSTS}/{{platform}}/{{account_id}}"
UPLOAD = PresignedUpload(url="https://bucket.example/1", headers=(("Content-Type", "image/png"),), expires_at=NOW)
USAGE = Usage(
    NOW.date(),
    PeriodUsage(BudgetFigures(videos=1)),
    PeriodUsage(BudgetFigures(videos=2), limit_micros=1),
    [ModelUsage(day=NOW.date(), model="sora-2")],
)
ANSWERS: list[tuple[str, BaseModel]] = [
    *(("GET /videos/{video_id}", video) for video in VIDEOS.values()),
    ("POST /videos", present_estimate(Estimate([CANDIDATE], 400_000))),
    ("GET /videos", present_page([a_video()], has_more=True)),
    (
        f"GET {POSTS}",
        present_posts([a_post(), a_post(a_target("tiktok"), state=PostState.PUBLISHED, submitted_at=NOW)]),
    ),
    (f"PATCH {POST}", present_post(a_post(state=PostState.SCHEDULED, scheduled_time=NOW))),
    (
        "GET /schedules",
        present_schedules(SchedulePage([a_post(state=PostState.SCHEDULED)], "first", "last", has_more=True)),
    ),
    ("DELETE /videos/{video_id}", DeletedVideoObject(id="video_1")),
    ("GET /models", present_models(built_in_catalog(), today=NOW.date())),
    ("GET /usage", present_usage(USAGE)),
    ("POST /uploads", present_upload("upload_1", UPLOAD)),
]
REFUSALS: list[tuple[str, str, ApiError]] = [
    (f"PATCH {POST}", "502", PublisherError(ErrorCode.TIMEOUT, "Blotato could not be reached.", transient=True)),
    ("POST /videos", "400", InvalidRequest("prompt: missing.", param="prompt", code="invalid_value")),
    ("POST /videos", "503", NotStarted("The execution did not start.")),
]
KITE = {"prompt": "A kite"}
THREADS = {"platform": "threads", "account_id": "1"}
TAKEN_BODIES: list[tuple[str, dict[str, Any]]] = [
    ("CreateVideoRequest", {**KITE, **dict.fromkeys(("seconds", "publish", "metadata", "model"))}),
    ("CreateVideoRequest", {**KITE, "publish": [{**THREADS, "next_free_slot": None}]}),
    (
        "RemixVideoRequest",
        {
            **KITE,
            "publish": [{**THREADS, "scheduled_time": "2026-12-24T18:00:00Z"}],
            "stagger_minutes": "0",
            "approval": "required",
            "approval_hours": "12",
        },
    ),
    ("EditVideoRequest", {**KITE, "video": "video_1"}),
    # As OpenAI names it.
    ("EditVideoRequest", {**KITE, "video": {"id": "video_1"}}),
    ("ApprovalRequest", {"decision": "approve", "edits": {"publish": [THREADS]}}),
    ("ApprovalRequest", {"decision": "approve", "edits": {"captions": [{**THREADS, "text": "As I say"}]}}),
    ("ResolveRequest", {"outcome": "posted", "url": "https://x.example/1"}),
    ("MoveRequest", {"scheduled_time": "2026-12-24T18:00:00Z"}),
    ("PublishAgainRequest", {}),
    ("CreateVideoRequestForm", {**KITE, "metadata[campaign]": "x", "publish[0][platform]": "x"}),
    ("EditVideoRequestForm", {**KITE, "video[id]": "video_1"}),
]
REFUSED_BODIES: list[tuple[str, dict[str, Any]]] = [
    ("CreateVideoRequest", {"model": "sora-2"}),
    ("CreateVideoRequest", {"prompt": None}),
    ("CreateVideoRequest", {**KITE, "colour": "red"}),
    ("CreateVideoRequest", {**KITE, "seconds": "eight"}),
    ("CreateVideoRequest", {**KITE, "input_reference": {"url": "https://kites.example/1.png"}}),
    ("CreateVideoRequest", {**KITE, "webhook_url": "http://kites.example"}),
    ("CreateVideoRequest", {**KITE, "publish": [{"platform": "facebook", "account_id": "1"}]}),
    ("CreateVideoRequest", {**KITE, "publish": [{**THREADS, "scheduled_time": 1}]}),
    ("CreateVideoRequest", {**KITE, "approval_hours": "0"}),
    ("CreateVideoRequest", {**KITE, "delivery": "soon"}),
    # The path names it.
    ("RemixVideoRequest", {**KITE, "video": "video_1"}),
    ("ApprovalRequest", {"decision": "perhaps"}),
    ("ApprovalRequest", {"decision": "approve", "edits": {"approval": "none"}}),
    ("ResolveRequest", {"outcome": "posted", "url": "x.example"}),
    ("MoveRequest", {"scheduled_time": 1_800_000_000}),
    ("PublishAgainRequest", {"approval": "required"}),
    ("CreateVideoRequestForm", {**KITE, "colour[]": "x"}),
]


class RouteEvent(NamedTuple):
    """A route of API Gateway; its path may end in `{proxy+}`."""

    method: str
    path: str
    function: str


def list_events() -> list[RouteEvent]:
    return [
        RouteEvent(event["Properties"]["Method"], event["Properties"]["Path"], name)
        for name, function in shipped_template().of_type("AWS::Serverless::Function").items()
        for event in function.properties.get("Events", {}).values()
        # The studio is a page, and MCP describes its tools itself.
        if event["Type"] == "Api" and name not in ("StudioFunction", "McpFunction")
    ]


def find_event(route: str) -> RouteEvent:
    """Find the event that API Gateway chooses: a literal before a parameter, and that before the rest of a path."""
    method, _, path = route.partition(" ")

    def rank(event: RouteEvent) -> list[int]:
        return [1 + part.startswith("{") + part.endswith("+}") for part in event.path.split("/")]

    def fits(event: RouteEvent) -> bool:
        pattern = re.sub(r"{[^/]+?}", "[^/]+", event.path.replace("{proxy+}", ".+"))
        return event.method == method and re.fullmatch(pattern, path) is not None

    return min(filter(fits, list_events()), key=rank)


def list_routes(resolver: APIGatewayRestResolver) -> set[str]:
    paths = json.loads(describe_api([resolver], version="1"))["paths"]
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}


def validator_of(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Make a validator that looks at formats, too."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


def resolve(part: dict[str, Any]) -> Any:
    """Follow the reference to a component, if it is one."""
    found: Any = part
    if "$ref" in part:
        found = DOCUMENT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    return found


def walk(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from walk(inner)


class TestTheDocument:
    def test_it_is_valid_openapi_3_1(self) -> None:
        assert DOCUMENT["openapi"].startswith("3.1.")
        schemathesis.openapi.from_dict(DOCUMENT).validate()

    def test_every_schema_is_a_json_schema(self) -> None:
        for schema in SCHEMAS.values():
            jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})

    def test_every_reference_leads_somewhere(self) -> None:
        for part in walk(DOCUMENT):
            resolve(part)

    def test_every_schema_is_used(self) -> None:
        responses = DOCUMENT["components"]["responses"]

        assert collect_schemas([DOCUMENT["paths"], responses], SCHEMAS).keys() == SCHEMAS.keys()

    def test_the_template_leads_each_route_to_the_function_that_has_it(self) -> None:
        resolvers = {"SubmitFunction": submit, "ApiFunction": api, "ProviderWebhooksFunction": provider_webhooks}
        has = {name: list_routes(resolver) for name, resolver in resolvers.items()}

        assert [route for route in OPERATIONS if route not in has[find_event(route).function]] == []

    def test_each_route_of_the_template_is_of_an_operation(self) -> None:
        assert {find_event(route) for route in OPERATIONS} == set(list_events())

    @pytest.mark.parametrize("route", OPERATIONS)
    def test_an_operation_says_its_path_and_what_every_route_may_refuse(self, route: str) -> None:
        operation = OPERATIONS[route]
        is_open = operation.get("security") == []
        answers = operation["responses"]

        assert [part["name"] for part in operation["parameters"] if part["in"] == "path"] == re.findall(
            r"{(.+?)}", route
        )
        # Who has no key lacks no scope.
        assert {"401", "429", "5XX"} | (set() if is_open else {"403"}) <= answers.keys()
        assert is_open == (route == "POST /webhooks/{provider}") == ("403" not in answers)
        envelope = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorEnvelope.__name__}"}}}
        for status, answer in answers.items():
            assert resolve(resolve(answer)["headers"]["x-request-id"])["required"] is True
            assert status < "400" or resolve(answer)["content"] == envelope

    def test_every_operation_has_an_id_of_its_own(self) -> None:
        assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(OPERATIONS)

    @pytest.mark.parametrize(
        ("route", "statuses"),
        [
            ("GET /models", "400"),
            ("GET /videos/{video_id}/content", "400 404"),
            ("DELETE /videos/{video_id}", "400 404 409"),
            ("POST /uploads", "400 413"),
            ("POST /videos", "400 409 410 413 422 503"),
            ("POST /videos/edits", "400 404 409 410 413 422 503"),
            ("POST /videos/{video_id}/posts", "400 404 409 413 503"),
            (f"PATCH {POST}", "400 404 409 413 502"),
            (f"DELETE {POST}", "400 404 409 502"),
            ("POST /videos/{video_id}/posts/{platform}/{account_id}/resolve", "400 404 409 413 503"),
            ("POST /videos/{video_id}/approval", "400 404 409 413"),
        ],
    )
    def test_what_else_a_route_may_refuse_is_said_and_no_more(self, route: str, statuses: str) -> None:
        refusals = {status for status in OPERATIONS[route]["responses"] if status >= "400"}

        assert refusals - {"401", "403", "429", "5XX"} == set(statuses.split())

    def test_nothing_of_powertools_own_is_left(self) -> None:
        for text in ("Successful Response", "HTTPValidationError", "Powertools"):
            assert text not in read_openapi()

    def test_its_keys_are_sorted(self) -> None:
        assert json.dumps(DOCUMENT, ensure_ascii=False, indent=2, sort_keys=True) + "\n" == read_openapi()


class TestAnswers:
    @pytest.mark.parametrize(
        ("route", "status", "answer"),
        [
            *((route, "200", answer) for route, answer in ANSWERS),
            *((route, status, present_error(error)) for route, status, error in REFUSALS),
        ],
    )
    def test_an_answer_is_what_its_route_says(self, route: str, status: str, answer: BaseModel) -> None:
        schema = resolve(OPERATIONS[route]["responses"][status])["content"]["application/json"]["schema"]

        validator_of(schema).validate(json.loads(answer.model_dump_json()))

    def test_a_video_has_every_field_always(self) -> None:
        assert set(SCHEMAS["VideoObject"]["required"]) == json.loads(VIDEOS["queued"].model_dump_json()).keys()

    def test_an_answer_may_have_more_one_day(self) -> None:
        reached = collect_schemas([operation["responses"] for operation in OPERATIONS.values()], SCHEMAS)

        assert [name for name, schema in reached.items() if schema.get("additionalProperties") is False] == []

    def test_content_is_elsewhere(self) -> None:
        answer = OPERATIONS["GET /videos/{video_id}/content"]["responses"]["302"]

        assert resolve(answer["headers"]["Location"])["required"] is True
        assert "content" not in answer

    def test_a_video_comes_with_when_to_ask_again(self) -> None:
        for route in ("POST /videos", "GET /videos/{video_id}", "POST /videos/edits"):
            assert "openai-poll-after-ms" in OPERATIONS[route]["responses"]["200"]["headers"]

    def test_what_may_be_sent_again_says_when(self) -> None:
        cancelled = OPERATIONS[f"DELETE {POST}"]["responses"]["502"]

        for answer in (
            cancelled,
            *(OPERATIONS["POST /videos"]["responses"][status] for status in ("409", "429", "503")),
        ):
            assert "Retry-After" in resolve(answer)["headers"]

    def test_what_is_never_done_has_no_success(self) -> None:
        for route in ("POST /videos/characters", "GET /videos/characters/{character_id}"):
            assert all(status >= "400" for status in OPERATIONS[route]["responses"])


class TestRequests:
    @pytest.mark.parametrize(("name", "body"), TAKEN_BODIES)
    def test_a_body_is_taken_as_the_schema_says(self, name: str, body: dict[str, Any]) -> None:
        validator_of(SCHEMAS[name]).validate(body)

    @pytest.mark.parametrize(("name", "body"), REFUSED_BODIES)
    def test_a_body_is_refused_as_the_schema_says(self, name: str, body: dict[str, Any]) -> None:
        assert not validator_of(SCHEMAS[name]).is_valid(body)

    @pytest.mark.parametrize("field", TAKEN)
    def test_the_schema_refuses_nothing_that_is_taken(self, field: str) -> None:
        for value in TAKEN[field]:
            validator_of(SCHEMAS["CreateVideoRequest"]).validate({**KITE, field: value})

    def test_the_sample_request_fits(self) -> None:
        validator_of(SCHEMAS["CreateVideoRequest"]).validate(json.loads(read_event("submit")["body"]))

    def test_every_network_is_a_target(self) -> None:
        for model in TARGETS:
            (platform,) = get_args(model.model_fields["platform"].annotation)
            target = json.loads(a_target(platform).model_dump_json())
            validator_of(SCHEMAS["CreateVideoRequest"]).validate({**KITE, "publish": [target]})

    def test_what_names_a_video_or_a_post_has_one_pattern(self) -> None:
        schemas = {
            (parameter["name"], json.dumps(parameter["schema"], sort_keys=True))
            for operation in OPERATIONS.values()
            for parameter in operation["parameters"]
            if parameter["in"] == "path" and parameter["name"] in {"video_id", "account_id", "platform"}
        }

        assert {(name, schema) for name, schema in schemas if name != "platform"} == {
            ("video_id", '{"pattern": "^[A-Za-z0-9_-]{1,128}$", "type": "string"}'),
            ("account_id", '{"pattern": "^[A-Za-z0-9_-]{1,64}$", "type": "string"}'),
        }
        (platforms,) = (json.loads(schema)["enum"] for name, schema in schemas if name == "platform")
        assert "bluesky" in platforms

    def test_a_body_without_a_field_that_must_be_may_be_left_out(self) -> None:
        assert OPERATIONS["POST /videos"]["requestBody"]["required"] is True
        assert OPERATIONS["POST /videos/{video_id}/posts"]["requestBody"]["required"] is False

    def test_every_list_of_targets_is_one_of_the_same(self) -> None:
        lists = [
            schema["properties"]["publish"] for schema in SCHEMAS.values() if "publish" in schema.get("properties", {})
        ]
        items = [option["items"]["$ref"] for found in lists for option in found.get("anyOf", ()) if "items" in option]

        assert (len(items) > 1, set(items)) == (True, {"#/components/schemas/PublishTarget"})

    def test_a_form_takes_a_file_and_what_is_nested_as_text(self) -> None:
        content = OPERATIONS["POST /videos"]["requestBody"]["content"]["multipart/form-data"]
        form = resolve(content["schema"])

        assert content["encoding"] == {"input_reference": {"contentType": "image/png, image/jpeg, image/webp"}}
        assert form["properties"]["input_reference"]["format"] == "binary"
        assert form["properties"]["metadata"]["contentMediaType"] == "application/json"
        assert form["properties"]["metadata"]["type"] == "string"

    def test_an_upload_is_json_alone(self) -> None:
        assert OPERATIONS["POST /uploads"]["requestBody"]["content"].keys() == {"application/json"}

    def test_a_query_has_no_null(self) -> None:
        parameters = {parameter["name"]: parameter for parameter in OPERATIONS["GET /videos"]["parameters"]}

        assert parameters["after"]["schema"] == {"type": "string", "minLength": 1, "maxLength": 128}
        assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 0, "maximum": 100, "default": 20}

    def test_what_records_a_video_takes_a_name_for_the_request(self) -> None:
        for route in ("POST /videos", "POST /videos/extensions", "POST /videos/{video_id}/remix"):
            parameters = OPERATIONS[route]["parameters"]
            assert [part["name"] for part in parameters if part["in"] == "header"] == ["Idempotency-Key"]


def _answer_nothing() -> Response[str]:
    """Answer a deletion."""
    return reply(DeletedVideoObject(id="video_1"))


def _answer_without_docstring() -> Response[str]:
    return reply(DeletedVideoObject(id="video_1"))


class TestRoutesThatSayTooLittle:
    @pytest.mark.parametrize(
        ("handler", "extensions", "sentence"),
        [
            (_answer_nothing, None, "does not say what it takes and answers"),
            (_answer_nothing, {"x-kites": True}, "does not say what it takes and answers"),
            (_answer_nothing, contract(), "names no answer"),
            (_answer_without_docstring, contract(DeletedVideoObject), "has no docstring"),
        ],
    )
    def test_it_is_named_with_what_it_lacks(
        self, handler: Callable[[], Response[str]], extensions: dict[str, Any] | None, sentence: str
    ) -> None:
        app: APIGatewayRestResolver = create_resolver()
        app.post("/kites", openapi_extensions=extensions)(handler)

        with pytest.raises(UndescribedRoute) as caught:
            describe_api([app], version="1.0.0")

        assert str(caught.value).startswith(f"POST /kites ({handler.__name__}) {sentence}")


HANDLERS = {
    route.func.__name__: route
    for resolver in RESOLVERS
    for route in [*resolver._static_routes, *resolver._dynamic_routes]
}


def read_names(handler: Callable[..., object]) -> set[str]:
    """Read the names in a handler's source, below its decorators."""
    (function,) = ast.parse(inspect.getsource(handler)).body
    assert isinstance(function, ast.FunctionDef)
    return {node.id for line in function.body for node in ast.walk(line) if isinstance(node, ast.Name)}


class TestContractsAndTheirHandlers:
    @pytest.mark.parametrize("name", HANDLERS)
    def test_a_contract_says_what_its_handler_reads_and_how_it_answers(self, name: str) -> None:
        declared = find_contract(HANDLERS[name].openapi_extensions)
        names = read_names(HANDLERS[name].func)

        assert declared is not None
        said = {
            "read_body": bool(declared.json or declared.form),
            "read_query": declared.query is not None,
            "read_request_context": declared.is_idempotent,
            "read_webhook": declared.is_webhook,
            "poll_headers": declared.tells_poll_interval,
            "redirect": declared.redirects,
        }
        assert said == {function: function in names for function in said}

    @pytest.mark.parametrize("name", HANDLERS)
    def test_a_handler_makes_the_models_that_its_contract_names(self, name: str) -> None:
        declared = find_contract(HANDLERS[name].openapi_extensions)
        handler = HANDLERS[name].func
        names = read_names(handler)
        made = names | {
            str(getattr(handler.__globals__.get(used), "__annotations__", {}).get("return")) for used in names
        }

        assert declared is not None
        # The use case of captions makes their answer itself.
        answers = () if "reply_text" in names or name == "write_captions" else declared.answers
        models = (declared.path, declared.query, declared.json, declared.form, *answers)
        assert [model.__name__ for model in models if model and model.__name__ not in made] == []
