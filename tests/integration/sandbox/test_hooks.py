"""Tests of the receiver of our webhooks, over the loopback interface."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from sandbox.faults import Delay, Drop, Respond
from sandbox.hooks import Deliveries, HookScript, OnDelivery, create_app
from sandbox.serving import serve_in_thread

SIGNED = {"webhook-id": "evt_1", "webhook-timestamp": "1800000000", "webhook-signature": "v1,c2lnbmVk"}


class Receiver:
    """A running receiver, and whoever posts to it."""

    def __init__(self, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, headers=SIGNED, timeout=10)

    def deliver(self, path: str = "/hooks", body: str = '{"id":"evt_1"}') -> httpx.Response:
        return self.http.post(path, content=body)

    def add_fault(self, rule: OnDelivery) -> None:
        self.http.post("/_sandbox/faults", content=HookScript(rules=(rule,)).model_dump_json()).raise_for_status()

    def read_calls(self) -> Deliveries:
        return Deliveries.model_validate_json(self.http.get("/_sandbox/calls").content)


@pytest.fixture(scope="module")
def running() -> Iterator[Receiver]:
    with serve_in_thread(create_app(), base_path="") as base_url:
        yield Receiver(base_url)


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    running.http.post("/_sandbox/reset").raise_for_status()
    return running


def test_whatever_is_posted_is_taken_at_any_path(receiver: Receiver) -> None:
    assert receiver.deliver("/").status_code == 200
    assert receiver.deliver("/a/b?c=d").status_code == 200


def test_a_delivery_is_kept_as_it_came_with_what_signs_it(receiver: Receiver) -> None:
    receiver.deliver("/hooks", '{"id": "évt_1"}')

    (call,) = receiver.read_calls().calls
    assert (call.method, call.path, call.status, call.body) == ("POST", "/hooks", 200, '{"id": "évt_1"}')
    assert call.headers == SIGNED


def test_a_refusal_is_played_as_often_as_it_was_asked_for(receiver: Receiver) -> None:
    receiver.add_fault(OnDelivery(match="/busy", times=1, action=Respond(status=503)))

    statuses = [receiver.deliver(path).status_code for path in ("/busy", "/busy", "/other")]

    assert statuses == [503, 200, 200]
    assert receiver.read_calls().creates_accepted == 2


def test_a_rule_finds_the_webhooks_of_one_video_by_their_body(receiver: Receiver) -> None:
    receiver.add_fault(OnDelivery(match="video_7", action=Respond(status=410)))

    assert receiver.deliver(body='{"id":"video_7"}').status_code == 410
    assert receiver.deliver(body='{"id":"video_8"}').status_code == 200


def test_a_dropped_connection_is_on_the_list_without_a_status(receiver: Receiver) -> None:
    receiver.add_fault(OnDelivery(action=Drop()))

    with pytest.raises(httpx.RemoteProtocolError):
        receiver.deliver()

    (call,) = receiver.read_calls().calls
    assert (call.status, call.webhook_id) == (None, "evt_1")


def test_a_late_answer_comes_after_the_webhook_was_taken(receiver: Receiver) -> None:
    receiver.add_fault(OnDelivery(action=Delay(seconds=0.2)))

    with pytest.raises(httpx.ReadTimeout):
        receiver.http.post("/hooks", content="{}", timeout=0.05)

    assert receiver.read_calls().calls[0].body == "{}"


def test_a_fault_that_is_none_is_refused(receiver: Receiver) -> None:
    rule = {"on": "delivery", "action": {"type": "explode"}}

    assert receiver.http.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 400


def test_a_reset_forgets_faults_and_deliveries(receiver: Receiver) -> None:
    receiver.add_fault(OnDelivery(action=Respond(status=500)))
    receiver.deliver()

    receiver.http.post("/_sandbox/reset").raise_for_status()

    assert receiver.read_calls().calls == ()
    assert receiver.deliver().status_code == 200


def test_it_runs_as_a_program_and_says_where() -> None:
    process = subprocess.Popen([sys.executable, "-m", "sandbox.hooks"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        base_url = json.loads(process.stdout.readline())["base_url"]

        assert httpx.post(f"{base_url}/hooks", content="{}").status_code == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
