"""The Blotato stand-in lets in, stores, limits, fails and logs as the vendor's documents and its script say."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from sandbox.blotato import (
    ACCOUNTS,
    FACEBOOK_PAGE,
    LIMITS_PER_MINUTE,
    LINKEDIN_PAGE,
    PINTEREST_BOARD,
    YOUTUBE_PLAYLIST,
    Route,
    create_app,
)
from sandbox.blotato_state import CallRow, UploadRow
from sandbox.serving import serve_in_thread
from tests.integration.sandbox.blotato_client import (
    API_KEY,
    KEY_HEADER,
    MP4,
    PUBLIC_VIDEO,
    TARGETS,
    Clock,
    Json,
    Naps,
    add_fault,
    build_post,
    get_calls,
    get_json,
    get_posts,
    get_status,
    get_uploads,
    put_bytes,
    request_upload,
    submit,
)

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(clock: Clock, naps: Naps) -> Iterator[TestClient]:
    with TestClient(create_app(now=clock, sleep=naps), headers=KEY_HEADER) as client:
        yield client


class TestKey:
    @pytest.mark.parametrize("key", ["", "wrong", "blotato-sandbox-key", f"Bearer {API_KEY}"])
    def test_any_key_but_the_verbatim_one_is_refused(self, client: TestClient, key: str) -> None:
        response = client.get("/v2/users/me", headers={"blotato-api-key": key})
        assert response.status_code == 401
        assert "message" in response.json()

    def test_a_call_without_a_key_is_refused(self, client: TestClient) -> None:
        assert TestClient(client.app).post("/v2/posts", json=build_post()).status_code == 401
        assert get_posts(client) == []

    def test_the_user_echoes_the_key(self, client: TestClient) -> None:
        assert get_json(client, "/v2/users/me")["apiKey"] == API_KEY


class TestAccounts:
    def test_there_is_one_account_per_network_with_a_numeric_id(self, client: TestClient) -> None:
        items = get_json(client, "/v2/users/me/accounts")["items"]
        assert {item["platform"]: item["id"] for item in items} == {name: a.id for name, a in ACCOUNTS.items()}
        assert all(item["id"].isdigit() and set(item) == {"id", "platform", "fullname", "username"} for item in items)

    def test_accounts_are_filtered_by_platform(self, client: TestClient) -> None:
        items = get_json(client, "/v2/users/me/accounts", platform="instagram")["items"]
        assert [item["id"] for item in items] == ["807"]

    @pytest.mark.parametrize("subaccount", [FACEBOOK_PAGE, LINKEDIN_PAGE, YOUTUBE_PLAYLIST])
    def test_pages_and_playlists_are_subaccounts(self, client: TestClient, subaccount: Any) -> None:
        items = get_json(client, f"/v2/users/me/accounts/{subaccount.account_id}/subaccounts")["items"]
        assert items == [{"id": subaccount.id, "accountId": subaccount.account_id, "name": subaccount.name}]

    def test_subaccounts_of_an_unknown_account_are_not_found(self, client: TestClient) -> None:
        assert client.get("/v2/users/me/accounts/1/subaccounts").status_code == 404

    def test_a_pinterest_account_has_a_board(self, client: TestClient) -> None:
        items = get_json(client, "/v2/social/pinterest/boards", accountId=ACCOUNTS["pinterest"].id)["items"]
        assert [item["id"] for item in items] == [PINTEREST_BOARD.id]

    def test_an_account_of_another_network_has_no_boards(self, client: TestClient) -> None:
        boards = get_json(client, "/v2/social/pinterest/boards", accountId=ACCOUNTS["instagram"].id)
        assert boards == {"items": []}

    def test_boards_need_an_account(self, client: TestClient) -> None:
        response = client.get("/v2/social/pinterest/boards")
        assert response.status_code == 400
        assert response.json()["message"] == "querystring must have required property 'accountId'"

    def test_a_linkedin_account_has_a_company_page(self, client: TestClient) -> None:
        account_id = ACCOUNTS["linkedin"].id
        items = get_json(client, "/v2/integrations/oauth2/linkedin/pages", accountId=account_id)["items"]
        assert [item["id"] for item in items] == [LINKEDIN_PAGE.id]


class TestDisconnectedAccount:
    @pytest.fixture
    def gone(self, client: TestClient) -> str:
        """Disconnect the Facebook account, for which a post waits."""
        submit(client, build_post("facebook", scheduledTime="2026-11-23T13:00:00Z"))
        account_id = ACCOUNTS["facebook"].id
        assert client.delete(f"/_sandbox/accounts/{account_id}").status_code == 204
        return account_id

    def test_it_is_not_listed(self, client: TestClient, gone: str) -> None:
        items = get_json(client, "/v2/users/me/accounts")["items"]
        assert gone not in [item["id"] for item in items]
        assert len(items) == len(ACCOUNTS) - 1
        assert client.get(f"/v2/users/me/accounts/{gone}/subaccounts").status_code == 404

    def test_it_takes_no_posts(self, client: TestClient, gone: str) -> None:
        response = client.post("/v2/posts", json=build_post("facebook"))
        assert (response.status_code, response.json()["message"]) == (404, f"Account {gone} not found")

    def test_its_schedules_have_no_account_and_keep_their_draft(self, client: TestClient, gone: str) -> None:
        (item,) = get_json(client, "/v2/schedules")["items"]
        assert item["account"] is None
        assert item["draft"]["accountId"] == gone
        assert get_json(client, f"/v2/schedules/{item['id']}")["schedule"] == item

    def test_its_scheduled_posts_fail(self, client: TestClient, clock: Clock, gone: str) -> None:
        clock.advance(3602)
        assert [(post.state, post.error_message) for post in get_posts(client)] == [
            ("failed", f"Account {gone} is not connected.")
        ]

    def test_what_was_published_before_stays(self, client: TestClient, clock: Clock) -> None:
        submit(client, build_post("threads"))
        clock.advance(2)
        client.delete(f"/_sandbox/accounts/{ACCOUNTS['threads'].id}")
        assert get_posts(client)[0].state == "published"

    def test_connected_again_in_time_it_posts(self, client: TestClient, clock: Clock, gone: str) -> None:
        clock.advance(60)
        assert client.put(f"/_sandbox/accounts/{gone}").status_code == 204
        clock.advance(3602)
        assert get_posts(client)[0].state == "published"

    def test_connected_again_too_late_what_failed_stays_so(self, client: TestClient, clock: Clock, gone: str) -> None:
        clock.advance(3602)
        client.put(f"/_sandbox/accounts/{gone}")
        assert get_posts(client)[0].state == "failed"
        assert len(get_json(client, "/v2/users/me/accounts")["items"]) == len(ACCOUNTS)

    def test_one_that_is_not_connected_cannot_be_disconnected(self, client: TestClient, gone: str) -> None:
        assert client.delete(f"/_sandbox/accounts/{gone}").status_code == 404


class TestUploads:
    def test_bytes_are_counted_hashed_and_not_kept(self, client: TestClient) -> None:
        presigned_url, public_url = request_upload(client)
        assert put_bytes(client, presigned_url) == 200
        (upload,) = get_uploads(client)
        assert upload == UploadRow(
            public_url_path=urlsplit(public_url).path,
            filename="clip.mp4",
            size_bytes=len(MP4),
            sha256=hashlib.sha256(MP4).hexdigest(),
            content_type="video/mp4",
            is_mp4=True,
        )

    def test_two_uploads_of_one_name_have_addresses_of_their_own_that_end_in_it(self, client: TestClient) -> None:
        public_urls = {request_upload(client)[1] for _ in range(2)}
        assert len(public_urls) == 2
        assert all(url.endswith("/clip.mp4") for url in public_urls)

    def test_a_filename_is_required(self, client: TestClient) -> None:
        response = client.post("/v2/media/uploads", json={})
        assert (response.status_code, response.json()["message"]) == (
            400,
            "body must have required property 'filename'",
        )

    def test_the_key_must_not_go_to_storage(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert put_bytes(client, presigned_url, more_headers=KEY_HEADER) == 400
        assert get_uploads(client) == []

    def test_a_chunked_body_is_refused(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        response = TestClient(client.app).put(presigned_url, content=iter([MP4]), headers={"content-type": "video/mp4"})
        assert response.status_code == 411

    def test_a_body_without_a_type_is_refused(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert TestClient(client.app).put(presigned_url, content=MP4).status_code == 400

    def test_an_expired_presigned_url_is_refused(self, client: TestClient, clock: Clock) -> None:
        presigned_url, _ = request_upload(client)
        clock.advance(600)
        assert put_bytes(client, presigned_url) == 403

    def test_a_presigned_url_serves_once(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        assert [put_bytes(client, presigned_url) for _ in range(2)] == [200, 409]

    def test_a_made_up_presigned_url_is_not_found(self, client: TestClient) -> None:
        assert put_bytes(client, "/storage/uploads/none") == 404

    def test_a_file_over_the_limit_of_the_plan_is_refused(self) -> None:
        client = TestClient(create_app(plan_upload_bytes=len(MP4) - 1), headers=KEY_HEADER)
        presigned_url, _ = request_upload(client)
        assert put_bytes(client, presigned_url) == 413

    def test_a_public_url_is_mirrored_under_an_address_of_its_own(self, client: TestClient, clock: Clock) -> None:
        response = client.post("/v2/media", json={"url": PUBLIC_VIDEO})
        assert response.status_code == 201
        assert response.json()["url"].endswith("/clip.mp4")
        submission_id = submit(client, build_post(media_urls=(response.json()["url"],)))
        clock.advance(2)
        assert get_status(client, submission_id)["status"] == "published"

    def test_a_url_blotato_cannot_fetch_is_not_mirrored(self, client: TestClient) -> None:
        assert client.post("/v2/media", json={"url": "s3://bucket/clip.mp4"}).status_code == 422

    def test_presigned_urls_are_not_in_the_log(self, client: TestClient) -> None:
        presigned_url, _ = request_upload(client)
        put_bytes(client, presigned_url)
        assert presigned_url.rsplit("/", 1)[1] not in client.get("/_sandbox/calls").text


class TestLimits:
    def test_the_thirty_first_post_of_a_minute_is_told_how_long_to_wait(self, client: TestClient, clock: Clock) -> None:
        for _ in range(30):
            submit(client, build_post())
        clock.advance(15)
        response = client.post("/v2/posts", json=build_post())
        assert response.status_code == 429
        assert response.json() == {"message": "Rate limit exceeded, retry in 45 seconds"}
        assert len(get_posts(client)) == 30
        clock.advance(45)
        submit(client, build_post())

    def test_each_route_has_a_limit_of_its_own(self, client: TestClient) -> None:
        for _ in range(30):
            submit(client, build_post())
        request_upload(client)

    def test_the_documented_limits_are_the_default(self) -> None:
        assert dict(LIMITS_PER_MINUTE) == {
            "POST /posts": 30,
            "GET /posts/{postSubmissionId}": 60,
            "GET /posts": 60,
            "POST /media/uploads": 120,
            "POST /media": 10,
            "GET /social/pinterest/boards": 45,
        }

    def test_a_limit_can_be_set(self) -> None:
        client = TestClient(create_app(limits_per_minute={"GET /posts": 1}), headers=KEY_HEADER)
        assert [client.get("/v2/posts").status_code for _ in range(2)] == [200, 429]


class TestFaults:
    def test_a_scripted_answer_takes_the_place_of_the_real_one(self, client: TestClient) -> None:
        action = {"type": "respond", "status": 429, "headers": {"retry-after": "7"}, "body": {"message": "Wait 7 s"}}
        add_fault(client, "POST /posts", action, times=1)
        response = client.post("/v2/posts", json=build_post())
        assert (response.status_code, response.headers["retry-after"]) == (429, "7")
        assert response.json() == {"message": "Wait 7 s"}
        assert get_posts(client) == []
        submit(client, build_post())

    @pytest.mark.parametrize("match", ["threads", "unlucky"])
    def test_a_fault_meets_the_platform_or_the_text_it_names(self, client: TestClient, match: str) -> None:
        add_fault(client, "POST /posts", {"type": "respond", "status": 500}, match=match)
        submit(client, build_post("instagram", text="lucky"))
        assert client.post("/v2/posts", json=build_post("threads", text="unlucky")).status_code == 500

    def test_a_fault_of_one_route_leaves_the_others_alone(self, client: TestClient) -> None:
        submission_id = submit(client, build_post("threads"))
        add_fault(client, "GET /posts/{postSubmissionId}", {"type": "respond", "status": 503}, match="threads")
        assert client.get(f"/v2/posts/{submission_id}").status_code == 503
        assert client.get("/v2/posts").status_code == 200

    def test_storage_can_fail_and_the_presigned_url_be_used_again(self, client: TestClient) -> None:
        add_fault(client, Route.STORE_UPLOAD, {"type": "respond", "status": 503}, match="clip", times=1)
        presigned_url, _ = request_upload(client)
        assert [put_bytes(client, presigned_url) for _ in range(2)] == [503, 200]

    def test_an_accepted_post_can_be_answered_with_an_error(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 500, "body": {"message": "Oops"}})
        assert client.post("/v2/posts", json=build_post()).status_code == 500
        clock.advance(2)
        assert [post.state for post in get_posts(client)] == ["published"]
        (call,) = get_calls(client)
        assert (call.status, call.post_submission_id) == (500, get_posts(client)[0].post_submission_id)

    def test_a_refused_post_is_refused_whatever_the_script_says_of_accepted_ones(self, client: TestClient) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 500})
        assert client.post("/v2/posts", json=build_post("facebook", target={})).status_code == 400

    @pytest.mark.parametrize("type_", ["delay", "delay_before"])
    def test_a_delayed_post_is_accepted(self, client: TestClient, naps: Naps, type_: str) -> None:
        add_fault(client, "POST /posts", {"type": type_, "seconds": 30})
        submit(client, build_post())
        assert naps.seconds == [30]

    def test_a_post_can_stay_in_progress_and_unlisted(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "publish", {"type": "stay_in_progress"})
        submission_id = submit(client, build_post())
        clock.advance(86_400)
        assert get_status(client, submission_id)["status"] == "in-progress"
        assert get_json(client, "/v2/posts")["items"] == []

    def test_a_network_can_refuse_a_post(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "publish", {"type": "fail_publish", "error_message": "reached_active_user_cap"}, times=1)
        refused, other = submit(client, build_post()), submit(client, build_post())
        clock.advance(2)
        assert get_status(client, refused)["errorMessage"] == "reached_active_user_cap"
        assert get_status(client, other)["status"] == "published"

    def test_the_list_can_lag_behind(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "listing", {"type": "list_lag", "list_lag_seconds": 10})
        submission_id = submit(client, build_post())
        clock.advance(9)
        assert get_status(client, submission_id)["status"] == "published"
        assert get_json(client, "/v2/posts")["items"] == []
        clock.advance(1)
        assert len(get_json(client, "/v2/posts")["items"]) == 1

    def test_one_post_can_be_listed_twice(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "listing", {"type": "duplicate_listing"})
        submit(client, build_post())
        clock.advance(2)
        items = get_json(client, "/v2/posts")["items"]
        assert len(items) == 2
        assert items[0] == items[1]
        assert len(get_posts(client)) == 1

    def test_one_post_can_meet_a_fault_of_each_kind(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "accept_then_respond", "status": 502})
        add_fault(client, "publish", {"type": "fail_publish"})
        add_fault(client, "listing", {"type": "list_lag", "list_lag_seconds": 60})
        assert client.post("/v2/posts", json=build_post()).status_code == 502
        clock.advance(2)
        assert get_posts(client)[0].state == "failed"
        assert get_json(client, "/v2/posts")["items"] == []

    def test_cleared_faults_are_gone(self, client: TestClient, clock: Clock) -> None:
        add_fault(client, "POST /posts", {"type": "respond", "status": 500})
        add_fault(client, "publish", {"type": "fail_publish"})
        assert client.delete("/_sandbox/faults").status_code == 204
        submit(client, build_post())
        clock.advance(2)
        assert get_posts(client)[0].state == "published"

    @pytest.mark.parametrize(
        "rule",
        [
            {"on": "POST /nowhere", "action": {"type": "drop"}},
            {"on": "POST /posts", "action": {"type": "fail_publish"}},
            {"on": "publish", "action": {"type": "drop"}},
            {"on": "POST /posts", "action": {"type": "drop"}, "time": 1},
        ],
    )
    def test_a_fault_that_does_not_exist_is_refused(self, client: TestClient, rule: Json) -> None:
        assert client.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 422


class TestLog:
    def test_a_refused_post_is_logged_with_what_it_said(self, client: TestClient) -> None:
        client.post("/v2/posts", json=build_post("facebook", target={}))
        (call,) = get_calls(client)
        assert call == CallRow(
            route=Route.CREATE_POST,
            status=400,
            account_id=ACCOUNTS["facebook"].id,
            platform="facebook",
            text="A clip",
            media_urls=(PUBLIC_VIDEO,),
        )

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b'{"post": {"accountId": 5, "content": []}}',
            b'{"post": {"content": {"mediaUrls": 5}}}',
            b'{"post": {"content": {"mediaUrls": [5]}}}',
        ],
    )
    def test_a_malformed_post_is_refused_and_logged(self, client: TestClient, body: bytes) -> None:
        assert client.post("/v2/posts", content=body).status_code == 400
        assert get_calls(client) == [CallRow(route=Route.CREATE_POST, status=400)]

    def test_a_post_that_exists_is_shown_with_its_target(self, client: TestClient) -> None:
        submit(client, build_post("tiktok"))
        (post,) = get_posts(client)
        assert post.target == {"targetType": "tiktok", **TARGETS["tiktok"]}

    def test_a_call_under_way_at_a_reset_is_answered_and_forgotten(self) -> None:
        async def reset_instead(_: float) -> None:
            TestClient(app).post("/_sandbox/reset")

        app = create_app(sleep=reset_instead)
        client = TestClient(app, headers=KEY_HEADER)
        add_fault(client, "GET /posts", {"type": "delay", "seconds": 1})
        assert client.get("/v2/posts").status_code == 200
        assert get_calls(client) == []

    def test_reset_forgets_everything_but_the_seeds(self, client: TestClient) -> None:
        put_bytes(client, request_upload(client)[0])
        for _ in range(30):
            submit(client, build_post())
        assert client.post("/_sandbox/reset").status_code == 204
        assert (get_posts(client), get_uploads(client), get_calls(client)) == ([], [], [])
        submit(client, build_post())


class TestConnections:
    """Over the loopback interface, since a connection can only be cut where there is one."""

    @pytest.fixture
    def server(self) -> Iterator[httpx.Client]:
        with (
            serve_in_thread(create_app(), base_path="") as base_url,
            httpx.Client(base_url=base_url, headers=KEY_HEADER, trust_env=False, timeout=10) as client,
        ):
            yield client

    @pytest.mark.parametrize(("type_", "posts"), [("drop", 0), ("accept_then_drop", 1)])
    def test_a_dropped_connection_may_or_may_not_have_left_a_post(
        self, server: httpx.Client, type_: str, posts: int
    ) -> None:
        add_fault(server, "POST /posts", {"type": type_}, match="A clip", times=1)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            server.post("/v2/posts", json=build_post())
        assert len(get_posts(server)) == posts
        (call,) = get_calls(server)
        assert (call.route, call.status, call.text) == (Route.CREATE_POST, None, "A clip")
        assert (call.post_submission_id is not None) == (posts == 1)

    def test_an_upload_whose_connection_ends_early_is_not_there(
        self, server: httpx.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        presigned = urlsplit(server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"])
        with socket.create_connection((str(presigned.hostname), presigned.port or 0), timeout=10) as connection:
            head = (
                f"PUT {presigned.path} HTTP/1.1\r\nhost: x\r\ncontent-type: video/mp4\r\ncontent-length: 1000\r\n\r\n"
            )
            connection.sendall(head.encode() + MP4)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000) == b""
        assert get_uploads(server) == []
        assert get_calls(server)[-1].status is None
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []

    def test_a_chunked_upload_is_refused_over_http_too(self, server: httpx.Client) -> None:
        url = server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"]
        response = httpx.put(url, content=iter([MP4]), headers={"content-type": "video/mp4"}, trust_env=False)
        assert response.status_code == 411

    def test_an_upload_goes_to_the_host_that_was_asked(self, server: httpx.Client) -> None:
        url = server.post("/v2/media/uploads", json={"filename": "clip.mp4"}).json()["presignedUrl"]
        response = httpx.put(url, content=MP4, headers={"content-type": "video/mp4"}, trust_env=False)
        assert response.status_code == 200
        assert get_uploads(server)[0].sha256 == hashlib.sha256(MP4).hexdigest()


class TestCommand:
    def test_the_command_says_where_it_listens_and_ends_on_sigterm(self) -> None:
        command = [sys.executable, "-m", "sandbox.blotato", "--port", "0", "--rate-scale", "0.1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True, env=os.environ) as process:
            try:
                assert process.stdout is not None
                base_url = json.loads(process.stdout.readline())["base_url"]
                with httpx.Client(headers=KEY_HEADER, trust_env=False, timeout=10) as client:
                    statuses = [client.post(f"{base_url}/posts", json=build_post()).status_code for _ in range(4)]
            finally:
                process.send_signal(signal.SIGTERM)
                exit_code = process.wait(timeout=10)
        assert base_url.startswith("http://127.0.0.1:")
        assert base_url.endswith("/v2")
        assert statuses == [201, 201, 201, 429]
        assert exit_code in (0, -signal.SIGTERM)
