"""The client for chat completions: what it sends, and what it makes of refusals and silence."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import httpx2
import openai
import pytest

from mediaposter.domain.errors import CaptionsError
from mediaposter.publishing.chat_client import ChatClient
from mediaposter.publishing.chat_interface import ChatAnswer, Tokens

MESSAGES = [{"role": "user", "content": "{}"}]
KEY = "sk-secret"


def a_client(answer: Callable[[httpx.Request], httpx.Response]) -> ChatClient:
    return ChatClient(
        api_key=KEY, base_url="https://chat.example/v1", model="model-1", transport=httpx.MockTransport(answer)
    )


def test_a_request_has_the_model_the_messages_and_the_schema() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"choices": [{"message": {"role": "assistant", "content": "words"}}]})

    assert a_client(answer).complete(MESSAGES, {"type": "object"}) == ChatAnswer("words", None)

    (request,) = seen
    assert (str(request.url), request.headers["authorization"]) == (
        "https://chat.example/v1/chat/completions",
        f"Bearer {KEY}",
    )
    body = json.loads(request.content)
    assert (body["model"], body["messages"]) == ("model-1", MESSAGES)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_openais_sdk_sends_the_same_request_and_reads_the_same_answer() -> None:
    seen: list[tuple[str, str, str, object]] = []
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "words"}}
    content = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

    def see(request: httpx.Request | httpx2.Request) -> None:
        headers = request.headers
        seen.append((str(request.url), headers["authorization"], headers["content-type"], json.loads(request.content)))

    def answer(request: httpx.Request) -> httpx.Response:
        see(request)
        return httpx.Response(200, json=content)

    def answer_sdk(request: httpx2.Request) -> httpx2.Response:
        see(request)
        return httpx2.Response(200, json=content)

    schema: dict[str, object] = {"type": "object"}
    ours = a_client(answer).complete(MESSAGES, schema)
    with httpx2.Client(transport=httpx2.MockTransport(answer_sdk)) as connection:
        sdk = openai.OpenAI(api_key=KEY, base_url="https://chat.example/v1", http_client=connection)
        completion = sdk.chat.completions.create(
            model="model-1",
            messages=[{"role": "user", "content": "{}"}],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "captions", "strict": True, "schema": schema},
            },
        )

    assert seen[0] == seen[1]
    assert completion.usage is not None
    assert ours == ChatAnswer(
        completion.choices[0].message.content or "",
        Tokens(completion.usage.prompt_tokens, completion.usage.completion_tokens),
    )


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"choices": []}', b'{"choices": [{"message": {}}]}'])
def test_an_answer_without_words_is_empty(content: bytes) -> None:
    assert a_client(lambda _: httpx.Response(200, content=content)).complete(MESSAGES, {}).text == ""


@pytest.mark.parametrize(("status", "passes"), [(401, False), (402, False), (400, False), (429, True), (500, True)])
def test_a_refusal_names_its_status_and_no_key(status: int, passes: bool) -> None:
    refused = httpx.Response(status, json={"error": {"message": f"Wrong key {KEY}"}})

    with pytest.raises(CaptionsError, match=str(status)) as caught:
        a_client(lambda _: refused).complete(MESSAGES, {})

    assert caught.value.retry.may_succeed is passes
    assert KEY not in str(caught.value)


def test_silence_may_pass() -> None:
    def break_off(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("late", request=request)

    with pytest.raises(CaptionsError, match="did not answer: ReadTimeout") as caught:
        a_client(break_off).complete(MESSAGES, {})
    assert caught.value.retry.may_succeed


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}, Tokens(7, 5)),
        ({"prompt_tokens": -7, "completion_tokens": 5}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 5}, None),
        ("much", None),
    ],
)
def test_the_tokens_are_those_that_the_server_reports_if_they_can_be(usage: object, tokens: Tokens | None) -> None:
    content = {"choices": [{"message": {"content": "words"}}], "usage": usage}

    assert a_client(lambda _: httpx.Response(200, json=content)).complete(MESSAGES, {}) == ChatAnswer("words", tokens)


@pytest.mark.parametrize(("error", "may_be_charged"), [(httpx.ConnectError, False), (httpx.ReadTimeout, True)])
def test_only_what_was_sent_may_be_charged(error: type[httpx.RequestError], may_be_charged: bool) -> None:
    def break_off(request: httpx.Request) -> httpx.Response:
        raise error("gone", request=request)

    with pytest.raises(CaptionsError) as caught:
        a_client(break_off).complete(MESSAGES, {})
    assert caught.value.may_be_charged is may_be_charged
