"""The route for captions: off until there are a key and a model, and then one server gets the key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mediaposter.publishing.publisher_interface import Account
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from sandbox.serving import serve_in_thread
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Stack, read_event

WORDS = {"threads": {"text": "Up, up"}, "youtube": {"text": "A kite flies.", "title": "A kite"}}


@pytest.fixture
def chat(stack: Stack) -> Iterator[list[str]]:
    """Serve a model that always writes the same, and remember the keys that it was sent."""
    keys: list[str] = []

    async def complete(request: Request) -> JSONResponse:
        keys.append(request.headers["authorization"])
        return JSONResponse({"choices": [{"message": {"content": json.dumps(WORDS)}}]})

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    with serve_in_thread(app, base_path="/v1") as base_url:
        stack.tell(CaptionsBaseUrl=base_url, CaptionsModel="model-1")
        yield keys


@pytest.mark.enable_socket(reason="the model's stand-in listens on loopback")
def test_a_model_writes_for_each_network(stack: Stack, invoke: Invoke, chat: list[str]) -> None:
    name = f"/mediaposter/{STACK}/captions-api-key"
    stack.client("ssm").put_parameter(Name=name, Value="sk-captions", Type="SecureString")

    answer = invoke("ApiFunction", read_event("library-captions"))

    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["model"]) == (200, "model-1")
    assert [(each["platform"], each["text"], each["title"]) for each in body["data"]] == [
        ("threads", "Up, up", None),
        ("youtube", "A kite flies.", "A kite"),
    ]
    assert chat == ["Bearer sk-captions"]


@pytest.mark.enable_socket(reason="the model's stand-in listens on loopback")
def test_a_request_has_its_captions_written_by_the_function_that_takes_it(
    stack: Stack, invoke: Invoke, chat: list[str]
) -> None:
    name = f"/mediaposter/{STACK}/captions-api-key"
    stack.client("ssm").put_parameter(Name=name, Value="sk-captions", Type="SecureString")
    threads = Account(account_id="908", platform="threads", name="kites")
    AccountStore(stack.table).put(ConnectedAccounts(accounts=(threads,), read_at=datetime.now(UTC)))
    event = read_event("submit")
    body = {"prompt": "A kite", "captions": "write", "publish": [{"platform": "threads", "account_id": "908"}]}

    answer = invoke("SubmitFunction", {**event, "body": json.dumps(body), "isBase64Encoded": False})

    assert answer["statusCode"] == 200, answer["body"]
    assert [post["text"] for post in json.loads(answer["body"])["posts"]] == ["Up, up"]
    assert chat == ["Bearer sk-captions"]
