"""Tests of how the stand-in for fal's queue delivers webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from sandbox.fal_webhook import WebhookSender


async def skip_wait(_: float) -> None:
    """Wait no time at all."""


def send(
    url: str, answer: Callable[[int], httpx.Response] = lambda _: httpx.Response(200), *, is_signed: bool = True
) -> list[httpx.Request]:
    """Send a webhook, with `answer` for the nth attempt, from 0; give the attempts."""
    attempts: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        return answer(len(attempts) - 1)

    sender = WebhookSender(lambda: 1_800_000_000.5, transport=httpx.MockTransport(handle), sleep=skip_wait)
    asyncio.run(sender.send(url, "request-1", b"{}", is_signed=is_signed))
    return attempts


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/hook", "http://127.8.8.8/hook", "http://localhost/hook", "http://[::1]/hook"]
)
def test_a_webhook_for_this_machine_is_sent(url: str) -> None:
    assert [(attempt.method, str(attempt.url)) for attempt in send(url)] == [("POST", url)]


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "http://10.0.0.1/hook", "http://localhost.example.com/", "http://[::2]/", "/hook", ""],
)
def test_a_webhook_for_another_machine_is_not_sent(url: str) -> None:
    assert send(url) == []


def test_a_refused_webhook_is_sent_again_as_often_as_fal_does() -> None:
    assert len(send("http://127.0.0.1/hook", lambda _: httpx.Response(500))) == 11


def test_a_webhook_is_sent_again_until_it_is_taken() -> None:
    assert len(send("http://127.0.0.1/hook", lambda number: httpx.Response(200 if number == 2 else 429))) == 3


def test_an_unsigned_webhook_has_everything_but_the_signature() -> None:
    [signed] = send("http://127.0.0.1/hook")
    [unsigned] = send("http://127.0.0.1/hook", is_signed=False)
    assert set(signed.headers) - set(unsigned.headers) == {"x-fal-webhook-signature"}


def test_a_redirected_webhook_is_given_up() -> None:
    redirect = httpx.Response(302, headers={"Location": "https://example.com/hook"})
    assert len(send("http://127.0.0.1/hook", lambda _: redirect)) == 1


def test_a_webhook_is_sent_again_without_an_answer() -> None:
    def answer(number: int) -> httpx.Response:
        if number == 0:
            raise httpx.ConnectError("Connection refused")
        return httpx.Response(200)

    assert len(send("http://127.0.0.1/hook", answer)) == 2
