"""People are told in Slack, in Telegram and by e-mail that a video waits, and the trail says who decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.people import SLACK_PATH, TELEGRAM_TOKEN, People, meet_people
from tests.conformance.embedded import EmbeddedHost
from tests.conformance.test_cli import run_script
from tests.integration.stack import new_prompt, wait_for

WAIT_SCALE = 0.02
X = {"platform": "twitter", "account_id": "901"}
LINKEDIN = {"platform": "linkedin", "account_id": "902", "text": "For <!channel> & *all* friends."}


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with meet_people() as people:
        yield people


@pytest.fixture(scope="module")
def host(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHost]:
    host = EmbeddedHost(tmp_path_factory.mktemp("people"), people.variables, wait_scale=WAIT_SCALE)
    host.start()
    try:
        yield host
    finally:
        host.kill()


@pytest.fixture(scope="module")
def api(host: EmbeddedHost) -> Iterator[httpx.Client]:
    with host.client() as api:
        yield api


def ask(api: httpx.Client, prompt: str) -> str:
    body = {"prompt": prompt, "publish": [X, LINKEDIN], "approval": "required"}
    answer = api.post("/videos", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def find_slack(people: People, video_id: str) -> str:
    found = wait_for(lambda: [said for said in people.slack if video_id in json.dumps(said)], what="Slack")
    assert len(found) == 1
    return json.dumps(found[0])


def events_of(api: httpx.Client, video_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = api.get(f"/videos/{video_id}/events").json()["data"]
    return events


def test_three_channels_are_told_with_the_captions_the_price_and_the_link(
    host: EmbeddedHost, api: httpx.Client, people: People
) -> None:
    prompt = new_prompt("Told <b>everywhere</b>")
    video_id = ask(api, prompt)
    link = f"{host.address.base_url}/studio#/approvals/{video_id}"

    slack = find_slack(people, video_id)
    assert f"*<{link}|Look at it and decide>*" in slack
    assert "linkedin:902\\nFor &lt;!channel&gt; &amp; *all* friends." in slack
    assert "*Price:* $0.04" in slack
    photo = wait_for(lambda: next((p for p in people.photos if video_id in p.caption), None), what="Telegram")
    assert link in photo.caption
    assert "linkedin:902:\nFor <!channel> & *all* friends." in photo.caption
    email = wait_for(lambda: next((e for e in people.emails if video_id in e.get_content()), None), what="the e-mail")
    assert email["Subject"] == "A video waits for your approval: 2 posts, $0.04"
    assert link in email.get_content()
    assert api.get(f"/videos/{video_id}").json()["approval"]["status"] == "waiting"


def test_a_chat_that_is_busy_is_told_later_and_no_secret_is_in_the_log(
    host: EmbeddedHost, api: httpx.Client, people: People
) -> None:
    people.busy = [1, 1]  # both chats, once

    video_id = ask(api, new_prompt("Later"))

    find_slack(people, video_id)
    wait_for(lambda: [text for text in people.texts if video_id in text], what="Telegram")
    log = (host.data / "log" / "host.log").read_text()
    assert "answered 429" in log
    for secret in (SLACK_PATH, TELEGRAM_TOKEN.partition(":")[2], "slack-sandbox-secret"):
        assert secret not in log


def test_a_decision_is_kept_with_who_made_it_and_the_trail_says_all(host: EmbeddedHost, api: httpx.Client) -> None:
    video_id = ask(api, new_prompt("Who did it"))
    wait_for(lambda: api.get(f"/videos/{video_id}").json()["stage"] == "awaiting_approval", what="the question")
    words = ("--data", str(host.data))

    approved = run_script(host.folder, "approve", video_id, "--comment", "Lovely.", *words)
    shown = run_script(host.folder, "show", video_id, *words).stdout
    told = run_script(host.folder, "events", video_id, *words).stdout

    assert approved.returncode == 0, approved.stderr
    approval = api.get(f"/videos/{video_id}").json()["approval"]
    assert (approval["status"], approval["decided_by"]["name"], approval["comment"]) == ("approved", "local", "Lovely.")
    assert "approved by local (key_" in shown
    assert "Lovely." in shown
    types = [event["type"] for event in events_of(api, video_id)]
    assert types[:5] == ["video.created", "model.tried", "video.stored", "approval.asked", "approval.approved"]
    assert types.count("post.published") == 2
    assert [line.split()[2] for line in told.splitlines()[1:]] == types
    api.delete(f"/videos/{video_id}").raise_for_status()
    assert events_of(api, video_id)[-1]["type"] == "video.deleted"
