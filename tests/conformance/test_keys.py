"""What a key may do, spend and see."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
import pytest

from mediaposter.domain.errors import NotFound
from mediaposter.stores.budget_warnings import BudgetWarning, BudgetWarningStore
from mediaposter.stores.keys import Scope
from sandbox.blotato import ACCOUNTS
from tests.conformance.stack import Embedded, Stack, expect, read_error
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        (Scope.READ, "POST", "/videos", 403),
        (Scope.CREATE, "GET", "/videos", 403),
        (Scope.CREATE, "GET", "/models", 403),
        (Scope.READ, "DELETE", "/videos/video_1", 403),
        (Scope.READ, "GET", "/usage", 200),
        (Scope.ADMIN, "GET", "/models", 200),
    ],
    ids=["no create", "no list", "no models", "no delete", "usage", "admin"],
)
def test_a_key_does_what_its_scopes_say(stack: Stack, scope: Scope, method: str, path: str, status: int) -> None:
    with stack.client(stack.make_key(scope)) as client:
        answer = client.request(method, path, json={"prompt": "A kite"} if method == "POST" else None)

    assert answer.status_code == status
    if status == 403:
        assert read_error(answer)[2] == "insufficient_scope"


def test_a_key_spends_its_day_and_no_more_and_is_told_what_is_left(stack: Stack) -> None:
    key = stack.make_key(Scope.READ, Scope.CREATE, daily_budget_micros=500_000)
    # house-wan costs $0.05 a second: four of them are $0.20.
    fields = {"model": "house-wan", "fallback_models": []}
    with stack.client(key) as client:
        taken = [client.post("/videos", json={"prompt": new_prompt("Paid"), **fields}) for _ in range(3)]
        usage = client.get("/usage").json()
        estimate = client.post("/videos", params={"dry_run": "true"}, json={"prompt": "A kite", **fields})

        assert [answer.status_code for answer in taken] == [200, 200, 429]
        assert read_error(taken[2])[2] == "budget_exceeded"
        assert "$0.1 is left" in taken[2].json()["error"]["message"]
        assert (usage["limit_usd"], usage["left_usd"], usage["videos"]) == ("0.5", "0.1", 2)
        assert (estimate.status_code, estimate.json()["reserved_usd"]) == (200, "0.2")

        for answer in taken[:2]:
            stack.follow(answer.json()["id"])

        def look() -> dict[str, Any] | None:
            usage: dict[str, Any] = client.get("/usage").json()
            return usage if usage["promised_usd"] == "0" else None

        # The execution settles a video when it is done.
        settled = wait_for(look, what="the settlement of both")

    assert settled["spent_usd"] == "0.4"
    assert [(day["model"], day["videos"], day["cost_usd"]) for day in settled["days"]] == [("house-wan", 2, "0.4")]


def test_a_key_spends_its_month_and_no_more_and_its_owner_is_warned_once(stack: Stack) -> None:
    key = stack.make_key(Scope.READ, Scope.CREATE, monthly_budget_micros=500_000)
    warnings = BudgetWarningStore(stack.table)
    fields = {"model": "house-wan", "fallback_models": []}
    with stack.client(key) as client:
        taken = [client.post("/videos", json={"prompt": new_prompt("Paid"), **fields}) for _ in range(3)]
        usage = client.get("/usage").json()
        month = usage["month"]

        assert [answer.status_code for answer in taken] == [200, 200, 429]
        assert read_error(taken[2])[2] == "budget_exceeded"
        message = taken[2].json()["error"]["message"]
        assert "of this month's limit of this key ($0.5) $0.1 is left" in message
        assert month["renews_at"] in message
        assert (usage["limit_usd"], usage["left_usd"]) == (None, None)
        assert (month["limit_usd"], month["left_usd"], month["videos"]) == ("0.5", "0.1", 2)

        def find_warning() -> BudgetWarning | None:
            with suppress(NotFound):
                found = warnings.get(stack.find_owner(key), month["month"], "0.5")
                return found if found.is_sent else None
            return None

        assert wait_for(find_warning, what="the warning of the month").used_usd == "0.4"
        for answer in taken[:2]:
            stack.follow(answer.json()["id"])
        settled = client.get("/usage").json()["month"]

    assert (settled["spent_usd"], settled["promised_usd"], settled["left_usd"]) == ("0.4", "0", "0.1")


def test_a_key_posts_to_its_own_accounts_alone(stack: Stack) -> None:
    mine = f"twitter:{ACCOUNTS['twitter'].id}"
    with stack.client(stack.make_key(Scope.CREATE, Scope.PUBLISH, accounts=(mine,))) as client:
        refused = client.post("/videos", json={"prompt": "A kite", "publish": [target("threads")]})
        taken = client.post("/videos", json={"prompt": "A kite", "publish": [target("twitter")]})

        assert (refused.status_code, read_error(refused)[2]) == (403, "account_not_allowed")
        stack.ask("DELETE", f"/videos/{expect(200, taken)['id']}", client=client)


def test_two_owners_do_not_see_each_other(stack: Stack) -> None:
    rights = (Scope.READ, Scope.CREATE, Scope.PUBLISH)
    with stack.client(stack.make_key(*rights)) as ann, stack.client(stack.make_key(*rights)) as bob:
        video = stack.submit(new_prompt("Mine"), client=ann)
        path = f"/videos/{video['id']}"

        asked: list[httpx.Response] = [
            bob.get(path),
            bob.get(f"{path}/content"),
            bob.get(f"{path}/posts"),
            bob.post(f"{path}/remix", json={"prompt": "Ours"}),
            bob.post(f"{path}/posts", json={}),
            bob.delete(path),
        ]

        assert [(answer.status_code, read_error(answer)[2]) for answer in asked] == [(404, "not_found")] * len(asked)
        assert bob.get("/videos").json()["data"] == []
        assert [listed["id"] for listed in ann.get("/videos").json()["data"]] == [video["id"]]
        # A key with the scope admin sees both.
        assert stack.retrieve(video["id"])["id"] == video["id"]
        stack.ask("DELETE", path, client=ann)


def test_a_key_that_a_command_makes_beside_the_running_host_opens_it_until_it_is_revoked(embedded: Embedded) -> None:
    made = embedded.run("keys", "create", "phone", "--scope", "read")
    key = next(line.partition("=")[2] for line in made.splitlines() if line.startswith("export OPENAI_API_KEY="))
    with embedded.client(key) as client:
        before = client.get("/videos")
        embedded.run("keys", "revoke", made.split(maxsplit=1)[0])
        after = client.get("/videos")

    assert f"export OPENAI_BASE_URL={embedded.base_url}\n" in made
    assert before.status_code == 200
    assert (after.status_code, read_error(after)[2]) == (401, "invalid_api_key")
