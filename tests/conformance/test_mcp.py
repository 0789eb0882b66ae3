"""Agents over MCP: the official client calls every tool, in both versions of the protocol and over stdio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import JsonValue

from mediaposter.cli import main
from mediaposter.cli.address import KEY_VARIABLE
from mediaposter.cli.session import Session
from mediaposter.stores.keys import Scope
from mediaposter.wire.mcp_tools import TOOLS
from sandbox.cloud import TOOLS as TOOL_ENVIRONMENTS
from tests.conformance.stack import Embedded, Stack, list_states
from tests.integration.stack import new_prompt, target

_AGENT = Path(__file__).with_name("mcp_agent.py")
VERSIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}
_SCOPES = (Scope.READ, Scope.CREATE, Scope.PUBLISH)
Answer = dict[str, Any]


Call = tuple[str, dict[str, JsonValue]]


class Agent(NamedTuple):
    """What an agent speaks, where, and what it does."""

    mode: str
    place: dict[str, Any]
    plan: list[Call]


def ask_agents(*agents: Agent) -> list[Answer]:
    """Let agents work side by side."""
    done = subprocess.run(
        [TOOL_ENVIRONMENTS / "mcp" / "bin" / "python", _AGENT],
        input=json.dumps(agents),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5_000:]
    answers: list[Answer] = json.loads(done.stdout)
    return answers


def over_http(stack: Stack, key: str) -> dict[str, Any]:
    return {"url": f"{stack.base_url}/mcp", "key": key}


def over_stdio(stack: Embedded, key: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "mediaposter", "mcp", "--url", stack.base_url]
    return {"command": words, "env": {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "MEDIAPOSTER_API_KEY": key}}


def a_plan(prompt: str) -> list[Call]:
    """Ask the price, make, make again, wait, post to approval, look around, and try what is refused."""
    video: dict[str, JsonValue] = {"prompt": prompt, "max_cost_usd": 1}
    return [
        ("estimate_video", video),
        ("list_accounts", {}),
        ("create_video", video),
        ("create_video", {"max_cost_usd": 2, "prompt": prompt}),
        ("get_video", {"video_id": "$video"}),
        ("post_video", {"video_id": "$video", "publish": [target("threads")], "text": prompt, "approval": "none"}),
        ("get_video", {"video_id": "$video"}),
        ("list_videos", {"limit": 3, "include": ["posts"]}),
        ("list_schedules", {}),
        ("get_usage", {}),
        ("cancel_video", {"video_id": "$video"}),
        ("create_video", {"prompt": prompt, "max_cost_usd": 0}),
        ("create_video", {"prompt": f"{prompt}, too dear", "max_cost_usd": 0}),
    ]


# The function of agents has rights of its own; that speaks one protocol there.
@pytest.mark.both(always=True)
def test_an_agent_makes_a_video_and_leaves_its_post_to_a_person(stack: Stack) -> None:
    prompts = {mode: new_prompt("An agent's kite") for mode in (VERSIONS if stack.host == "embedded" else ["auto"])}
    agents = [
        Agent(mode, over_http(stack, stack.make_key(*_SCOPES)), a_plan(prompt)) for mode, prompt in prompts.items()
    ]

    for told, (mode, prompt) in zip(ask_agents(*agents), prompts.items(), strict=True):
        check(stack, told, VERSIONS[mode], prompt)


def check(stack: Stack, told: Answer, version: str, prompt: str) -> None:
    """See that an agent called every tool, and have a person approve its post."""
    assert (told["version"], told["server"], told["tools"]) == (version, "mediaposter", list(TOOLS))
    price, accounts, made, again, kept, posted, waiting, videos, schedules, usage, cancelled, same, dear = told[
        "answers"
    ]
    assert price["structured"]["price_usd"] == made["structured"]["price_usd"]
    assert accounts["structured"]["data"]
    video_id = made["structured"]["video"]["id"]
    assert [each["structured"]["is_repeated"] for each in (made, again, same)] == [False, True, True]
    assert again["structured"]["video"]["id"] == same["structured"]["video"]["id"] == video_id
    assert stack.count_jobs(prompt) == 1
    assert kept["structured"]["video"]["status"] == "completed"
    assert kept["structured"]["studio_url"] == f"{stack.base_url}/studio#/videos/{video_id}"
    assert kept["structured"]["thumbnail_url"].startswith("http")
    # The key lacks the scope approve, so its "none" is not heard.
    assert waiting["structured"]["video"]["stage"] == "awaiting_approval"
    assert posted["structured"]["warnings"]
    assert stack.list_posts(prompt) == []
    assert video_id in [each["video"]["id"] for each in videos["structured"]["videos"]]
    assert schedules["structured"]["object"] == "list"
    assert usage["structured"]["object"] == "usage"
    assert [answer["is_error"] for answer in (cancelled, dear)] == [True, True]
    assert "price_too_high" in dear["texts"][0]

    stack.ask("POST", f"/videos/{video_id}/approval", {"decision": "approve"})

    assert list_states(stack.follow(video_id)) == {"threads": "published"}
    assert [post["text"] for post in stack.list_posts(prompt)] == [prompt]


def test_a_desktop_client_reaches_the_tools_over_stdio(embedded: Embedded) -> None:
    place = over_stdio(embedded, embedded.make_key(*_SCOPES))

    def plan(mode: str) -> list[Call]:
        return [
            ("create_video", {"prompt": new_prompt(f"Over stdio, {mode}")}),
            ("get_video", {"video_id": "$video"}),
            ("get_video", {"video_id": "video_none"}),
            ("approve_video", {"video_id": "$video"}),
        ]

    for told in ask_agents(*(Agent(mode, place, plan(mode)) for mode in VERSIONS)):
        made, kept, missing, unknown = told["answers"]
        assert kept["structured"]["video"]["id"] == made["structured"]["video"]["id"]
        assert kept["structured"]["video"]["stage"] == "done"
        assert missing["is_error"]
        assert unknown == {"error": -32602}


def bridge(
    stack: Embedded, monkeypatch: pytest.MonkeyPatch, method: str, *, key: str | None, **params: str
) -> tuple[int, str, str]:
    """Send one message through `mediaposter mcp`; give its exit status and what it wrote."""
    message = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    variables = {} if key is None else {KEY_VARIABLE: key}
    answered = TextIOWrapper(BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(f"{message}\n".encode()), encoding="utf-8"))
    with redirect_stdout(answered), redirect_stderr(StringIO()) as refused:
        status = main(["mcp", *stack.place], session=Session(environ=lambda: variables))
    answered.seek(0)
    return status, answered.read(), refused.getvalue()


def test_a_key_that_is_unknown_is_an_error_and_not_a_crash(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    _, told, _ = bridge(embedded, monkeypatch, "tools/list", key="mp_" + "x" * 43)

    answer = json.loads(told)
    assert (answer["id"], answer["error"]["code"]) == (7, -32603)
    assert "not known here" in answer["error"]["message"]


def test_an_agent_is_not_given_the_key_of_the_host_that_runs_here(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, told, refused = bridge(embedded, monkeypatch, "tools/list", key=None)
    # A key that may only read, and so lists no accounts.
    limited = embedded.make_key(Scope.READ)
    _, answer, _ = bridge(embedded, monkeypatch, "tools/call", key=limited, name="list_accounts")

    assert (status, told) == (1, "")
    assert "An agent needs a key of its own" in refused
    assert "insufficient_scope" in answer


@pytest.mark.both
def test_what_is_no_message_is_refused_and_nothing_is_made(stack: Stack) -> None:
    with stack.client(stack.make_key(*_SCOPES)) as client:
        refused = {
            "nesting": client.post("/mcp", content="[" * 1_000_000, headers={"Content-Type": "application/json"}),
            "batch": client.post("/mcp", json=[{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}]),
            "stream": client.get("/mcp"),
            "end": client.delete("/mcp"),
        }
        videos = client.get("/videos").json()["data"]

    assert {name: answer.status_code for name, answer in refused.items()} == {
        "nesting": 400,
        "batch": 400,
        "stream": 405,
        "end": 405,
    }
    assert all(answer.json()["error"]["code"] < -32_000 for answer in refused.values())
    assert videos == []


def test_without_a_key_nothing_is_told(embedded: Embedded) -> None:
    with embedded.client(None) as client:
        assert client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).status_code == 401
