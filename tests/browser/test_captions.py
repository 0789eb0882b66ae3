"""Have captions written, on a host with a model for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.serving import serve_in_thread
from tests.browser.conftest import PATIENCE_MS, Open, Studio
from tests.browser.test_make import fill_prompt
from tests.browser.test_targets import choose_accounts
from tests.conformance.embedded import EmbeddedHost

REFUSED = "unwilling"


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """What the model was asked to write about, in this order."""
    return []


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, asked: list[str]) -> Iterator[Studio]:
    """Start a host whose model writes one line for each network that it is asked for."""

    async def complete(request: Request) -> JSONResponse:
        body: dict[str, Any] = await request.json()
        asked.append(json.loads(body["messages"][1]["content"])["video"])
        if REFUSED in asked[-1]:
            return JSONResponse({"error": {"message": "No."}}, status_code=402)
        networks = body["response_format"]["json_schema"]["schema"]["properties"]
        words = {
            name: {"text": f"Words for {name}, {len(asked)}.", **({"title": "A title"} if name == "youtube" else {})}
            for name in networks
        }
        return JSONResponse({"choices": [{"message": {"content": json.dumps(words)}}]})

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    with serve_in_thread(app, base_path="/v1") as base_url:
        variables = {"CAPTIONS_BASE_URL": base_url, "CAPTIONS_MODEL": "writer-1", "CAPTIONS_API_KEY": "sk-captions"}
        host = EmbeddedHost(tmp_path_factory.mktemp("captions"), variables, wait_scale=0.1)
        host.start()
        try:
            with host.client() as api:
                yield Studio(host.address.base_url, host.address.api_key, api)
        finally:
            host.kill()


def suggest(page: Page) -> None:
    page.get_by_role("button", name="Suggest captions").click()


def test_each_network_gets_words_that_can_be_changed_and_are_posted(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    choose_accounts(page, "YouTube", "Threads")
    expect(page.get_by_text("Spending shows what that costs")).to_be_visible()

    suggest(page)

    words = page.get_by_label("Caption for Threads, pretended_threads")
    expect(words).to_have_value("Words for threads, 1.")
    expect(page.get_by_label("Title", exact=True)).to_have_value("A title")
    expect(page.get_by_text("Written by writer-1.")).to_be_visible()
    words.fill("Words of mine.")
    page.get_by_role("button", name="Make video and post").click()
    posted = page.get_by_role("listitem").filter(has_text=prompt).get_by_text("2 posted")
    expect(posted).to_be_visible(timeout=3 * PATIENCE_MS)
    (made,) = studio.api.get("/videos", params={"prompt": prompt, "include": "posts"}).json()["data"]
    texts = {post["platform"]: post["text"] for post in made["posts"]}
    assert texts == {"youtube": "Words for youtube, 1.", "threads": "Words of mine."}


def test_words_of_a_person_are_replaced_only_after_a_question(open_page: Open, asked: list[str]) -> None:
    page = open_page()
    fill_prompt(page)
    choose_accounts(page, "X")
    caption = page.get_by_label("Caption", exact=True)
    caption.fill("Mine")
    before = len(asked)

    suggest(page)
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(caption).to_have_value("Mine")
    assert len(asked) == before, "what is kept costs nothing"
    suggest(page)
    page.get_by_role("dialog", name="Replace what you wrote?").get_by_role("button", name="Replace").click()

    expect(caption).to_have_value(f"Words for twitter, {before + 1}.")
    # Words of the model make room for its next ones without a question.
    suggest(page)
    expect(caption).to_have_value(f"Words for twitter, {before + 2}.")


def test_a_model_that_refuses_is_said_beside_the_button_and_nothing_changes(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Prompt", exact=True).fill(f"A kite, {REFUSED}")
    choose_accounts(page, "Threads")

    suggest(page)

    expect(page.get_by_text("The model for captions answered 402.")).to_be_visible()
    expect(page.get_by_label("Caption", exact=True)).to_have_value("")
    expect(page.get_by_role("button", name="Suggest captions")).to_be_enabled()
