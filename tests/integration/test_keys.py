"""What a key may do and spend, on the deployed stack."""

from __future__ import annotations

import httpx
import pytest

from mediaposter.stores.keys import Scope
from tests.integration.stack import DeployedStack, new_prompt


def client_of(stack: DeployedStack, *scopes: Scope, daily_budget_micros: int | None = None) -> httpx.Client:
    secret = stack.make_key(scopes, daily_budget_micros=daily_budget_micros)
    return httpx.Client(base_url=stack.world.stack.base_url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ((Scope.READ,), "POST", "/videos", 403),
        ((Scope.CREATE,), "GET", "/videos", 403),
        ((Scope.CREATE,), "GET", "/models", 403),
        ((Scope.READ,), "DELETE", "/videos/video_1", 403),
        ((Scope.READ,), "GET", "/usage", 200),
        ((Scope.ADMIN,), "GET", "/models", 200),
    ],
)
def test_a_key_does_what_its_scopes_say(
    stack: DeployedStack, scopes: tuple[Scope, ...], method: str, path: str, status: int
) -> None:
    with client_of(stack, *scopes) as client:
        answer = client.request(method, path, json={"prompt": "A kite"} if method == "POST" else None)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "insufficient_scope"


def test_a_key_spends_its_day_and_no_more_and_is_told_what_is_left(stack: DeployedStack) -> None:
    # house-wan costs $0.05 a second: four of them are $0.20.
    with client_of(stack, Scope.READ, Scope.CREATE, daily_budget_micros=500_000) as client:
        fields = {"model": "house-wan", "fallback_models": []}
        taken = [client.post("/videos", json={"prompt": new_prompt("Paid"), **fields}) for _ in range(3)]
        usage = client.get("/usage").json()
        estimate = client.post("/videos", params={"dry_run": "true"}, json={"prompt": "A kite", **fields})

        assert [answer.status_code for answer in taken] == [200, 200, 429]
        assert taken[2].json()["error"]["code"] == "budget_exceeded"
        assert "$0.1 is left" in taken[2].json()["error"]["message"]
        assert (usage["limit_usd"], usage["left_usd"], usage["videos"]) == ("0.5", "0.1", 2)
        assert (estimate.status_code, estimate.json()["reserved_usd"]) == (200, "0.2")

        for answer in taken[:2]:
            stack.follow(answer.json()["id"])
        settled = client.get("/usage").json()

    assert (settled["spent_usd"], settled["promised_usd"]) == ("0.4", "0")
    assert [(day["model"], day["videos"], day["cost_usd"]) for day in settled["days"]] == [("house-wan", 2, "0.4")]
