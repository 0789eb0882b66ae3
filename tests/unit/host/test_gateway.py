"""What the host answers in API Gateway's place."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mediaposter.host.gateway import BINARY_MEDIA_TYPES, BODY_MAX_BYTES, KEY_HEADER, Answer, Gateway
from mediaposter.host.routes import load_routes
from mediaposter.host.studio import STUDIO_ROUTE
from mediaposter.observability import correlate, logger
from mediaposter.stores.keys import ApiKey
from mediaposter.wire.gateway_errors import ACCESS_DENIED, NO_ROUTE, REQUEST_TOO_LARGE, UNAUTHORIZED, GatewayError
from tests.builders import NOW, a_video
from tests.unit.functions.stack import REPOSITORY, shipped_template
from tests.unit.host.door import REQUEST_ID, Door, open_door, read_error
from tests.unit.wire.sending import send_form

JSON = {"Content-Type": "application/json"}
THREADS = 8
# None is what Python takes for a package that is not installed.
WITHOUT_AWS = """
import importlib, pkgutil, sys
sys.modules.update(boto3=None, botocore=None)
from pathlib import Path
import mediaposter.host as host
for module in pkgutil.iter_modules(host.__path__):
    importlib.import_module(f"mediaposter.host.{module.name}")
from tests.unit.host.door import open_door

with open_door(Path(sys.argv[1])) as door:
    key = {**door.make_key(), "content-type": "application/json"}
    for method, path, body in (
        ("POST", "/videos", b'{"prompt": "A red kite"}'),
        ("GET", "/videos/video_1", b""),
        ("DELETE", "/videos/video_1", b""),
        *(("GET", path, b"") for path in ("/videos", "/models", "/usage", "/batches", "/schedules", "/openapi.json")),
    ):
        print(door.ask(method, path, key, body=body).status)
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with open_door(tmp_path) as opened:
        yield opened


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    caught = io.StringIO()
    before = handler.setStream(caught)
    yield caught
    handler.setStream(before)


@pytest.fixture
def hasty_threads() -> Iterator[ThreadPoolExecutor]:
    """Give threads that interrupt each other as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool
    sys.setswitchinterval(before)


def is_error(answer: Answer, error: GatewayError) -> bool:
    return (answer.status, answer.error, read_error(answer)) == (
        error.status,
        error.name,
        error.body.error.model_dump(),
    )


def test_only_routes_that_the_template_opens_need_no_key() -> None:
    events = [
        event["Properties"]
        for function in shipped_template().of_type("AWS::Serverless::Function").values()
        for event in function.properties.get("Events", {}).values()
        if event["Type"] == "Api"
    ]
    is_open = {
        (event["Method"], event["Path"]) for event in events if event.get("Auth", {}).get("Authorizer") == "NONE"
    }

    # The studio is a page, which the host serves without the gateway.
    studio = ("GET", STUDIO_ROUTE)
    assert {studio, *((route.method, route.path) for route in load_routes() if not route.needs_key)} == is_open


def test_it_takes_the_same_keys_and_the_same_bodies_for_binary_as_the_template_says() -> None:
    api = shipped_template().resources["VideosApi"].properties
    authorizer = api["Auth"]["Authorizers"]["ApiKeyAuthorizer"]

    assert KEY_HEADER.pattern == authorizer["Identity"]["ValidationExpression"]
    assert list(BINARY_MEDIA_TYPES) == api["BinaryMediaTypes"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/vidoes"),
        ("PUT", "/videos"),
        ("HEAD", "/videos"),
        ("OPTIONS", "/videos"),
        # It is no video: API Gateway finds the path first, and this one has no GET.
        ("GET", "/videos/edits"),
        ("GET", "/openapiXjson"),
        ("GET", "/videos//content"),
    ],
)
def test_another_path_or_method_is_no_route_with_or_without_a_key(door: Door, method: str, path: str) -> None:
    assert is_error(door.ask(method, path, door.make_key()), NO_ROUTE)
    assert is_error(door.ask(method, path), NO_ROUTE)


def test_a_slash_at_the_end_counts_for_nothing(door: Door) -> None:
    assert door.ask("GET", "/videos/", door.make_key()).status == 200


@pytest.mark.parametrize("value", ["", "Bearer ", "Bearer sk-123", "Bearer mp_short", "Basic mp_" + "a" * 43])
def test_what_is_no_key_is_refused_and_nothing_is_read(door: Door, value: str) -> None:
    def read(_: str) -> ApiKey:
        raise AssertionError

    door.gateway = Gateway(load_routes(), read)

    assert is_error(door.ask("GET", "/videos", {"Authorization": value} if value else {}), UNAUTHORIZED)


def test_two_keys_in_one_request_are_none(door: Door) -> None:
    first, second = door.make_key("ann"), door.make_key("bob")

    answer = door.ask(
        "GET", "/videos", {"authorization": first["Authorization"], "Authorization": second["Authorization"]}
    )

    assert is_error(answer, UNAUTHORIZED)


def test_a_key_that_is_unknown_or_revoked_is_denied_at_once(door: Door) -> None:
    key = door.make_key()
    [made] = door.world.stack.keys.list()
    assert door.ask("GET", "/videos", key).status == 200

    door.world.stack.keys.revoke(made.key_id, now=NOW)

    assert is_error(door.ask("GET", "/videos", key), ACCESS_DENIED)
    assert is_error(door.ask("GET", "/videos", {"Authorization": "Bearer mp_" + "a" * 43}), ACCESS_DENIED)


def test_the_host_is_imported_and_answers_where_nothing_of_aws_is_installed(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_AWS, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert (ran.stderr, set(ran.stdout.split())) == ("", {"200"})


def test_a_query_is_decoded(door: Door) -> None:
    door.world.keep(a_video(owner="ann", prompt="a kite & a boat"))

    found = door.ask("GET", "/videos", door.make_key(), query="prompt=KITE+%26&limit=1")

    assert [video["id"] for video in json.loads(found.body)["data"]] == ["video_1"]


def test_the_bytes_of_a_form_arrive_as_they_are_and_others_must_be_utf_8(door: Door) -> None:
    key = door.make_key()
    form = send_form({"prompt": "Ein Drachen ü", "seconds": "4"})

    from_form = door.ask("POST", "/videos", {**key, "content-type": form.content_type}, body=form.body)
    from_latin = door.ask("POST", "/videos", {**key, **JSON}, body='{"prompt": "ü"}'.encode("latin-1"))

    assert json.loads(from_form.body)["prompt"] == "Ein Drachen ü"
    assert read_error(from_latin)["code"] == "invalid_json"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"0" * (BODY_MAX_BYTES + 1)),
        ("application/json", b'"' * (3 * 1024 * 1024)),
        ("multipart/form-data; boundary=x", b"0" * (4_719_000)),
    ],
    ids=["for API Gateway", "for Lambda, as text", "for Lambda, as base64"],
)
def test_a_body_that_is_too_large_on_aws_is_too_large_here(door: Door, content_type: str, body: bytes) -> None:
    key = {**door.make_key(), "content-type": content_type}

    assert is_error(door.ask("POST", "/videos", key, body=body), REQUEST_TOO_LARGE)
    assert door.ask("POST", "/videos", key, body=body[: len(body) * 2 // 5]).status == 400


def test_a_webhook_needs_no_key_and_arrives_as_it_was_signed(door: Door) -> None:
    answer = door.ask("POST", "/webhooks/sora", {"X-Signature": "v1,abc"}, body=b"job-7 is done")

    assert (answer.status, answer.route, answer.owner) == (401, "/webhooks/{provider}", None)
    assert read_error(answer)["code"] == "unknown_job"


def test_a_fault_is_logged_under_the_requests_id_and_answered_without_its_words(
    door: Door, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    door.world.keep(a_video(owner="ann"))
    for item in door.world.table.items.values():
        item.pop("prompt", None)

    answer = door.ask("GET", "/videos/video_1", door.make_key())

    [line] = map(json.loads, log.getvalue().splitlines())
    assert (answer.status, answer.error) == (500, "DEFAULT_5XX")
    assert read_error(answer)["code"] == "internal_error"
    assert b"prompt" not in answer.body
    assert line["correlation_id"] == REQUEST_ID
    assert "ValidationError" in line["exception"]
    assert capfd.readouterr().err == ""


def test_requests_on_several_threads_are_each_answered_to_their_own_caller(
    door: Door, hasty_threads: ThreadPoolExecutor
) -> None:
    owners = ("ann", "bob")
    keys = {owner: door.make_key(owner) for owner in owners}
    for owner in owners:
        door.world.keep(a_video(id=f"video_of_{owner}", owner=owner))

    def ask(number: int) -> bool:
        owner = owners[number % 2]
        path = ("/videos", f"/videos/video_of_{owner}")[number // 2 % 2]
        body: dict[str, Any] = json.loads(door.ask("GET", path, keys[owner]).body)
        return [video["id"] for video in body.get("data", [body])] == [f"video_of_{owner}"]

    assert all(hasty_threads.map(ask, range(200)))


def test_lines_logged_on_several_threads_carry_the_id_of_their_own_request(
    log: io.StringIO, hasty_threads: ThreadPoolExecutor
) -> None:
    def work(number: int) -> None:
        with correlate(f"request {number}"):
            logger.info("begins", extra={"number": number})
            logger.info("ends", extra={"number": number})

    list(hasty_threads.map(work, range(300)))

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert len(lines) == 600
    assert all(line["correlation_id"] == f"request {line['number']}" for line in lines)
