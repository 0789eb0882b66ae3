"""Approve on a phone, from the link in a message that Slack, Telegram or a mail server got."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from sandbox.people import People, meet_people
from tests.browser.conftest import NARROW, WAIT_SCALE, Open, Studio
from tests.browser.test_sign_in import sign_in
from tests.conformance.embedded import EmbeddedHost
from tests.integration.stack import new_prompt, wait_for

X = {"platform": "twitter", "account_id": "901"}


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with meet_people() as people:
        yield people


@pytest.fixture(scope="module")
def studio(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Run a host that tells these people."""
    host = EmbeddedHost(tmp_path_factory.mktemp("links"), people.variables, wait_scale=WAIT_SCALE)
    host.start()
    try:
        with host.client() as api:
            yield Studio(host.address.base_url, host.address.api_key, api)
    finally:
        host.kill()


def list_slack(people: People) -> list[str]:
    return [str(block) for message in people.slack for block in message["blocks"]]


def list_telegram(people: People) -> list[str]:
    return people.texts


def list_email(people: People) -> list[str]:
    return [email.get_content() for email in people.emails]


@pytest.mark.parametrize("read", [list_slack, list_telegram, list_email], ids=["slack", "telegram", "email"])
def test_the_link_of_a_message_opens_the_page_that_decides(
    studio: Studio, people: People, open_page: Open, read: Callable[[People], list[str]]
) -> None:
    prompt = new_prompt("From a message")
    video = studio.make(prompt, approval="required", publish=[X], text="Hello")

    def find_link() -> str | None:
        links = [link for text in read(people) for link in re.findall(r"https?://[^\s|>]+", text)]
        return next((link for link in links if link.endswith(f"/approvals/{video}")), None)

    page = open_page("/usage", width=NARROW, signed_in=False)
    page.goto("about:blank")
    page.goto(wait_for(find_link, what="the link"))
    sign_in(page, studio.key)
    card = page.get_by_role("article").filter(has_text=prompt)
    expect(card.get_by_text("left to decide")).to_be_visible()
    assert studio.read(video)["approval"]["status"] == "waiting"
    card.get_by_role("button", name="Approve and post").click()

    expect(page.get_by_text("Approved. It is being posted.")).to_be_visible()
    approval = studio.read(video)["approval"]
    assert (approval["status"], approval["decided_by"]["name"]) == ("approved", "local")
    studio.wait_for_stage(video, "done")
    assert json.dumps(studio.api.get(f"/videos/{video}/events").json()).count("post.published") == 1
