"""What a page asks for: the key, the accounts, what waits for a person, and a sheet before it is sent."""

from __future__ import annotations

import httpx
import pytest
from pydantic import JsonValue

from mediaposter.stores.keys import Scope
from tests.conformance.stack import Stack, Video, expect
from tests.conformance.test_batches import upload
from tests.integration.stack import new_prompt, target, wait_for

pytestmark = pytest.mark.both


def test_what_waits_for_a_person_is_listed_with_its_posts_until_it_is_decided(stack: Stack) -> None:
    video_id = stack.submit(new_prompt("On a page"), "instagram", approval="required")["id"]

    def look() -> Video | None:
        page = stack.ask("GET", "/videos?stage=awaiting_approval&stage=publishing&include=posts&limit=100")
        return next((video for video in page["data"] if video["id"] == video_id), None)

    video = wait_for(look, what="the video in the list of what waits")

    assert [post["platform"] for post in video["posts"]] == ["instagram"]
    assert video["approval"]["status"] == "waiting"
    assert (video["queue_position"], video["eta_at"]) == (None, None)
    picture = httpx.get(video["links"]["thumbnail"], headers={"Origin": "https://studio.example"}, timeout=30)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/webp")
    stack.ask("POST", f"/videos/{video_id}/approval", {"decision": "reject"})
    wait_for(lambda: look() is None, what="the list without it")
    listed = stack.ask("GET", f"/videos?ids={video_id},video_of_another")
    assert [(found["id"], found["stage"]) for found in listed["data"]] == [(video_id, "done")]


def test_a_key_learns_what_it_may_do_and_which_accounts_it_has(stack: Stack) -> None:
    named = target("instagram")
    assert isinstance(named, dict)
    account = f"instagram:{named['account_id']}"
    with stack.client(stack.make_key(Scope.READ, Scope.PUBLISH, accounts=(account,))) as api:
        key = expect(200, api.get("/key"))
        listed = expect(200, api.get("/accounts"))

    assert (key["scopes"], key["accounts"], key["expires_at"]) == (["read", "publish"], [account], None)
    assert [(found["platform"], found["id"]) for found in listed["data"]] == [("instagram", named["account_id"])]
    assert (listed["warning"], listed["checked_at"] > 0) == (None, True)


def test_a_sheet_is_checked_before_anything_is_made(stack: Stack) -> None:
    prompt = new_prompt("Not yet")
    rows: list[JsonValue] = [{"prompt": prompt}, {"id": "b", "prompt": prompt, "size": "1x1"}]
    file_id = upload(stack, f"id,prompt,size\na,{prompt},\nb,{prompt},1x1\n".encode(), "text/csv")

    of_rows = stack.ask("POST", "/batches?dry_run=true", {"rows": rows})
    of_file = stack.ask("POST", "/batches?dry_run=true", {"file": file_id})

    assert [(check["rows"], check["accepted"], check["refused"]) for check in (of_rows, of_file)] == [(2, 1, 1)] * 2
    [error] = of_file["errors"]
    assert (error["row"], error["line"], error["custom_id"], error["param"]) == (2, 3, "b", "size")
    assert float(of_file["cost_estimate_usd"]) > 0
    assert stack.count_jobs(prompt) == 0


def test_videos_of_some_seconds_and_what_is_made_from_one_are_listed(stack: Stack) -> None:
    first = stack.follow(stack.submit(new_prompt("The first"))["id"])
    second = stack.ask("POST", f"/videos/{first['id']}/remix", {"prompt": new_prompt("The second")})

    made = stack.ask("GET", f"/videos?remixed_from={first['id']}")
    span = f"created_after={second['created_at'] - 1}&created_before={second['created_at'] + 2}"
    of_its_second = stack.ask("GET", f"/videos?{span}&limit=100")
    before = stack.ask("GET", f"/videos?created_before={first['created_at']}&limit=100")

    assert [(found["id"], found["derivation"]) for found in made["data"]] == [(second["id"], "remix")]
    assert second["id"] in [found["id"] for found in of_its_second["data"]]
    assert not {first["id"], second["id"]} & {found["id"] for found in before["data"]}
