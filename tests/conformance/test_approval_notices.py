"""People are told in Slack, in Telegram and by e-mail that a video waits, and the trail says who decided."""

from __future__ import annotations

import json
from typing import Any

import httpx

from sandbox.blotato import ACCOUNTS
from sandbox.people import SLACK_PATH, TELEGRAM_TOKEN, People
from tests.conformance.stack import Embedded
from tests.integration.stack import new_prompt, target, wait_for

LINKEDIN = ACCOUNTS["linkedin"].id
WORDS = "For <!channel> & *all* friends."


def ask(embedded: Embedded, prompt: str) -> str:
    linkedin = {"platform": "linkedin", "account_id": LINKEDIN, "text": WORDS}
    fields: Any = {"model": "sandbox-1", "approval": "required", "publish": [target("twitter"), linkedin]}
    return str(embedded.submit(prompt, **fields)["id"])


def find_slack(people: People, video_id: str) -> str:
    found = wait_for(lambda: [said for said in people.slack if video_id in json.dumps(said)], what="Slack")
    assert len(found) == 1
    return json.dumps(found[0])


def events_of(api: httpx.Client, video_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = api.get(f"/videos/{video_id}/events").json()["data"]
    return events


def test_three_channels_are_told_with_the_captions_the_price_and_the_link(embedded: Embedded, people: People) -> None:
    video_id = ask(embedded, new_prompt("Told <b>everywhere</b>"))
    link = f"{embedded.base_url}/studio#/approvals/{video_id}"

    slack = find_slack(people, video_id)
    assert f"*<{link}|Look at it and decide>*" in slack
    assert f"linkedin:{LINKEDIN}\\nFor &lt;!channel&gt; &amp; *all* friends." in slack
    assert "*Price:* $0.04" in slack
    photo = wait_for(lambda: next((p for p in people.photos if video_id in p.caption), None), what="Telegram")
    assert link in photo.caption
    assert f"linkedin:{LINKEDIN}:\n{WORDS}" in photo.caption
    email = wait_for(lambda: next((e for e in people.emails if video_id in e.get_content()), None), what="the e-mail")
    assert email["Subject"] == "A video waits for your approval: 2 posts, $0.04"
    assert link in email.get_content()
    assert embedded.retrieve(video_id)["approval"]["status"] == "waiting"


def test_a_chat_that_is_busy_is_told_later_and_no_secret_is_in_the_log(embedded: Embedded, people: People) -> None:
    people.busy = [1, 1]  # both chats, once

    video_id = ask(embedded, new_prompt("Later"))

    find_slack(people, video_id)
    wait_for(lambda: [text for text in people.texts if video_id in text], what="Telegram")
    log = (embedded.process.data / "log" / "host.log").read_text()
    assert "answered 429" in log
    for secret in (SLACK_PATH, TELEGRAM_TOKEN.partition(":")[2], "slack-sandbox-secret"):
        assert secret not in log


def test_a_decision_is_kept_with_who_made_it_and_the_trail_says_all(embedded: Embedded) -> None:
    video_id = ask(embedded, new_prompt("Who did it"))
    wait_for(lambda: embedded.retrieve(video_id)["stage"] == "awaiting_approval", what="the question")

    embedded.run("approve", video_id, "--comment", "Lovely.")
    embedded.follow(video_id)
    shown, told = (embedded.run(command, video_id) for command in ("show", "events"))

    approval = embedded.retrieve(video_id)["approval"]
    assert (approval["status"], approval["decided_by"]["name"], approval["comment"]) == ("approved", "local", "Lovely.")
    assert "approved by local (key_" in shown
    assert "Lovely." in shown
    types = [event["type"] for event in events_of(embedded.api, video_id)]
    assert types[:5] == ["video.created", "model.tried", "video.stored", "approval.asked", "approval.approved"]
    assert types.count("post.published") == 2
    assert [line.split()[2] for line in told.splitlines()[1:]] == types
    embedded.ask("DELETE", f"/videos/{video_id}")
    assert events_of(embedded.api, video_id)[-1]["type"] == "video.deleted"
