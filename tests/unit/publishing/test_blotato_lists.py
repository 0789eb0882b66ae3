"""Blotato's REST API: what it lists, what is moved and cancelled, and what is connected."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mediaposter.domain.errors import ErrorCode, PostUnknown, PublisherError
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.publishing.publisher_interface import Account, Board, ListedPost, Page, PostStatus, Schedule, User
from tests.builders import NOW
from tests.unit.publishing.blotato_replies import KEY, Reply, connect

LATER = NOW + timedelta(days=1)
ITEM: dict[str, Any] = {
    "id": "published_1",
    "postTime": "2026-12-01T12:00:02Z",
    "platform": "instagram",
    "text": "Look up",
    "mediaUrls": ["https://database.blotato.io/1/clip.mp4"],
    "state": {"type": "published", "postUrl": "https://www.instagram.com/reel/1/"},
}
DRAFT: dict[str, Any] = {
    "accountId": "801",
    "content": {"text": "Look up", "mediaUrls": ["https://database.blotato.io/1/clip.mp4"], "platform": "twitter"},
    "target": {"targetType": "twitter"},
}
SCHEDULED: dict[str, Any] = {
    "id": "sch_1",
    "scheduledAt": "2026-12-02T09:00:00Z",
    "account": {"id": "801", "platform": "twitter"},
    "draft": DRAFT,
}


def page(*items: object, cursor: str | None = None, **fields: object) -> httpx.Response:
    more = {} if cursor is None else {"cursor": cursor}
    return httpx.Response(200, json={"items": list(items), **more, **fields})


def list_posts(client: BlotatoClient) -> list[ListedPost]:
    return client.list_posts(since=NOW - timedelta(minutes=5), until=LATER, platform="instagram")


def list_schedules(client: BlotatoClient) -> list[Schedule]:
    return client.list_schedules()


def move(client: BlotatoClient) -> bool:
    return client.move_schedule("sch_1", LATER)


def cancel(client: BlotatoClient) -> bool:
    return client.cancel_schedule("sch_1")


def show_user(client: BlotatoClient) -> User:
    return client.show_user()


def list_accounts(client: BlotatoClient) -> list[Account]:
    return client.list_accounts()


def list_pages(client: BlotatoClient) -> list[Page]:
    return client.list_pages("803")


def list_boards(client: BlotatoClient) -> list[Board]:
    return client.list_boards("806")


LISTS = pytest.mark.parametrize("call", [list_posts, list_schedules])
QUESTIONS = [list_posts, list_schedules, show_user, list_accounts, list_pages, list_boards]


def refusal_of(call: Callable[[BlotatoClient], object], *replies: Reply) -> PublisherError:
    blotato, client = connect(*replies)
    with pytest.raises(PublisherError) as error:
        call(client)
    assert len(blotato.requests) == len(replies), "asked again by itself"
    assert not isinstance(error.value, PostUnknown)
    return error.value


class TestPosts:
    def test_a_list_is_asked_for_between_two_times(self) -> None:
        blotato, client = connect(page())

        list_posts(client)

        (request,) = blotato.requests
        assert (request.method, request.url.path) == ("GET", "/v2/posts")
        assert dict(request.url.params) == {
            "since": "2026-12-01T11:55:00.000Z",
            "until": "2026-12-02T12:00:00.000Z",
            "platform": "instagram",
            "limit": "250",
        }

    @pytest.mark.parametrize("times", [(NOW.replace(tzinfo=None), NOW), (NOW, NOW.replace(tzinfo=None))])
    def test_times_that_could_be_any_hour_are_not_asked_with(self, times: tuple[datetime, datetime]) -> None:
        blotato, client = connect()

        with pytest.raises(ValueError, match="offset from UTC"):
            client.list_posts(since=times[0], until=times[1], platform="twitter")

        assert blotato.requests == []

    def test_a_published_post_is_read(self) -> None:
        _, client = connect(page(ITEM))

        assert list_posts(client) == [
            ListedPost(
                listed_id="published_1",
                post_time=datetime(2026, 12, 1, 12, 0, 2, tzinfo=UTC),
                platform="instagram",
                text="Look up",
                media_urls=("https://database.blotato.io/1/clip.mp4",),
                status=PostStatus.PUBLISHED,
                public_url="https://www.instagram.com/reel/1/",
            )
        ]

    @pytest.mark.parametrize(
        ("state", "status", "error_message"),
        [
            ({"type": "failed", "errorMessage": "too long"}, PostStatus.FAILED, "too long"),
            ({"type": "scheduled"}, PostStatus.SCHEDULED, None),
            ({"type": "published", "postUrl": None}, PostStatus.PUBLISHED, None),
            ({"type": "archived"}, PostStatus.IN_PROGRESS, None),
            ({}, PostStatus.IN_PROGRESS, None),
        ],
    )
    def test_how_a_listed_post_stands_is_read(
        self, state: dict[str, Any], status: PostStatus, error_message: str | None
    ) -> None:
        _, client = connect(page({**ITEM, "state": state}))

        (post,) = list_posts(client)

        assert (post.status, post.error_message, post.public_url) == (status, error_message, None)

    @pytest.mark.parametrize("fields", [{"text": None}, {"mediaUrls": None}, {"id": 17}, {"new": {"field": 1}}])
    def test_what_tells_nothing_may_be_absent_or_new(self, fields: dict[str, Any]) -> None:
        _, client = connect(page({**ITEM, **fields}))

        assert len(list_posts(client)) == 1


class TestPages:
    """Lists that are longer than a page, and pages that cannot be read."""

    @LISTS
    def test_every_page_is_read(self, call: Callable[[BlotatoClient], list[Any]]) -> None:
        item = ITEM if call is list_posts else SCHEDULED
        blotato, client = connect(page(item, cursor="a/b+c=="), page(item, item, cursor="d"), page(item, cursor=""))

        assert len(call(client)) == 4

        asked = [dict(request.url.params) for request in blotato.requests]
        assert [params.pop("cursor", None) for params in asked] == [None, "a/b+c==", "d"]
        assert asked[0] == asked[1] == asked[2]

    @pytest.mark.parametrize(("call", "item", "pages_max"), [(list_posts, ITEM, 10), (list_schedules, SCHEDULED, 60)])
    def test_a_list_without_an_end_is_no_answer(
        self, call: Callable[[BlotatoClient], list[Any]], item: dict[str, Any], pages_max: int
    ) -> None:
        _, client = connect(*[page(item, cursor="more") for _ in range(pages_max - 1)], page(item))
        assert len(call(client)) == pages_max

        refusal = refusal_of(call, *[page(item, cursor="again") for _ in range(pages_max)])

        assert f"goes on after {pages_max} pages" in refusal.message

    @LISTS
    def test_a_page_that_fails_leaves_no_half_list(self, call: Callable[[BlotatoClient], object]) -> None:
        item = ITEM if call is list_posts else SCHEDULED

        assert refusal_of(call, page(item, cursor="a"), httpx.Response(502)).transient is True

    @LISTS
    @pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"items": {}}'])
    def test_a_list_that_is_none_is_no_answer(self, call: Callable[[BlotatoClient], object], content: bytes) -> None:
        refusal = refusal_of(call, httpx.Response(200, content=content))

        assert (refusal.code, refusal.transient) == (ErrorCode.PROVIDER_ERROR, True)

    @LISTS
    @pytest.mark.parametrize("odd", [None, {"id": "", "postTime": "soon"}])
    def test_an_odd_item_does_not_hide_the_others(
        self, call: Callable[[BlotatoClient], list[Any]], odd: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        item = ITEM if call is list_posts else SCHEDULED
        _, client = connect(page(item, odd, item, {**item, "draft": 1, "text": ["a secret caption"]}))

        assert len(call(client)) == 2
        assert "a secret caption" not in caplog.text

        record, _ = caplog.records
        assert (record.levelno, "cannot be read" in record.getMessage()) == (logging.WARNING, True)

    @LISTS
    def test_a_list_of_odd_items_alone_is_no_answer(self, call: Callable[[BlotatoClient], object]) -> None:
        assert "No item of Blotato's" in refusal_of(call, page({"id": "1"}, {"id": "2"})).message


class TestSchedules:
    def test_a_schedule_is_read(self) -> None:
        blotato, client = connect(page(SCHEDULED, count="1"))

        assert client.list_schedules() == [
            Schedule(
                schedule_id="sch_1",
                scheduled_time=datetime(2026, 12, 2, 9, tzinfo=UTC),
                account_id="801",
                platform="twitter",
                text="Look up",
                media_urls=("https://database.blotato.io/1/clip.mp4",),
            )
        ]
        assert dict(blotato.requests[0].url.params) == {"limit": "50"}

    @pytest.mark.parametrize(
        ("account", "drafted", "account_id"),
        [(None, "801", "801"), ({"id": "801"}, None, "801"), (None, None, None), ({"id": "9"}, "801", "801")],
    )
    def test_whose_it_is_tells_the_draft_when_the_account_is_disconnected(
        self, account: object, drafted: str | None, account_id: str | None
    ) -> None:
        _, client = connect(page({**SCHEDULED, "account": account, "draft": {**DRAFT, "accountId": drafted}}))

        assert client.list_schedules()[0].account_id == account_id

    def test_a_moved_schedule_keeps_its_draft_to_the_letter(self) -> None:
        draft = {
            **DRAFT,
            "target": {"targetType": "twitter", "new": {"null": None, "number": 1.50}},
            "madeBy": [1, "x"],
        }
        blotato, client = connect(
            httpx.Response(200, json={"schedule": {**SCHEDULED, "draft": draft}}), httpx.Response(204)
        )

        assert move(client) is True

        assert blotato.calls == ["GET /schedules/sch_1", "PATCH /schedules/sch_1"]
        assert blotato.body == {"patch": {"scheduledTime": "2026-12-02T12:00:00.000Z", "draft": draft}}

    @pytest.mark.parametrize("replies", [[404], [200, 404]])
    def test_a_schedule_that_is_gone_is_not_moved(self, replies: list[int]) -> None:
        _, client = connect(*[httpx.Response(number, json={"schedule": SCHEDULED}) for number in replies])

        assert move(client) is False

    def test_a_draft_that_cannot_be_sent_back_as_it_came_is_not_changed(self) -> None:
        content = b'{"schedule": {"draft": {"content": {"text": "half an emoji \\ud83d"}}}}'
        blotato, client = connect(httpx.Response(200, content=content))

        with pytest.raises(PublisherError):
            move(client)

        assert [request.method for request in blotato.requests] == ["GET"]

    @pytest.mark.parametrize("schedule", [{}, {"draft": {}}, {"draft": "x"}])
    def test_a_schedule_without_its_draft_is_not_emptied(self, schedule: dict[str, Any]) -> None:
        assert refusal_of(move, httpx.Response(200, json={"schedule": schedule})).code is ErrorCode.PROVIDER_ERROR

    def test_a_time_that_could_be_any_hour_moves_nothing(self) -> None:
        blotato, client = connect()

        with pytest.raises(ValueError, match="offset from UTC"):
            client.move_schedule("sch_1", NOW.replace(tzinfo=None))

        assert blotato.requests == []

    @pytest.mark.parametrize(("status_code", "is_cancelled"), [(204, True), (200, True), (404, False)])
    def test_a_schedule_is_cancelled_or_gone(self, status_code: int, is_cancelled: bool) -> None:
        blotato, client = connect(httpx.Response(status_code))

        assert cancel(client) is is_cancelled
        assert blotato.calls == ["DELETE /schedules/sch_1"]

    @pytest.mark.parametrize("call", [move, cancel])
    @pytest.mark.parametrize("status_code", [302, 410])
    def test_anything_else_does_not_count_as_done(
        self, call: Callable[[BlotatoClient], object], status_code: int
    ) -> None:
        refusal_of(call, httpx.Response(status_code))

    @pytest.mark.parametrize("call", [move, cancel])
    def test_a_break_does_not_count_as_done(self, call: Callable[[BlotatoClient], object]) -> None:
        assert refusal_of(call, httpx.ReadTimeout("slow")).transient is True

    @pytest.mark.parametrize("name", ["move_schedule", "cancel_schedule"])
    def test_an_id_cannot_lead_to_another_route(self, name: str) -> None:
        blotato, client = connect(httpx.Response(404))
        arguments = ["../posts?x#y", LATER] if name == "move_schedule" else ["../posts?x#y"]

        getattr(client, name)(*arguments)

        assert blotato.requests[0].url.raw_path == b"/v2/schedules/..%2Fposts%3Fx%23y"


class TestAccounts:
    def test_accounts_are_read(self) -> None:
        blotato, client = connect(
            page(
                {"id": "801", "platform": "twitter", "fullname": "Kite Films", "username": "kitefilms"},
                {"id": 802, "platform": "mastodon", "fullname": "Kite Films", "username": None},
                {"id": "803", "platform": "bluesky"},
            )
        )

        assert client.list_accounts() == [
            Account(
                account_id="801", platform="twitter", name="kitefilms", full_name="Kite Films", username="kitefilms"
            ),
            Account(account_id="802", platform="mastodon", name="Kite Films", full_name="Kite Films"),
            Account(account_id="803", platform="bluesky", name=""),
        ]
        assert blotato.calls == ["GET /users/me/accounts"]

    def test_an_account_that_cannot_be_read_is_not_one_that_is_gone(self) -> None:
        refusal_of(list_accounts, page({"id": "801", "platform": "twitter"}, {"id": "802"}))

    def test_pages_are_read(self) -> None:
        blotato, client = connect(page({"id": "102", "accountId": "803", "name": "Kite Page"}))

        assert client.list_pages("803") == [Page(page_id="102", account_id="803", name="Kite Page")]
        assert blotato.calls == ["GET /users/me/accounts/803/subaccounts"]

    def test_boards_are_read(self) -> None:
        blotato, client = connect(page({"id": "900", "name": "Kites"}, {"id": "901"}))

        assert client.list_boards("806") == [
            Board(board_id="900", account_id="806", name="Kites"),
            Board(board_id="901", account_id="806", name=""),
        ]
        assert blotato.calls == ["GET /social/pinterest/boards"]
        assert dict(blotato.requests[0].url.params) == {"accountId": "806"}

    def test_an_account_cannot_lead_to_another_route(self) -> None:
        blotato, client = connect(page(), page())

        client.list_pages("../x?y")
        client.list_boards("1&limit=0")

        assert blotato.requests[0].url.raw_path == b"/v2/users/me/accounts/..%2Fx%3Fy/subaccounts"
        assert dict(blotato.requests[1].url.params) == {"accountId": "1&limit=0"}


class TestKey:
    def test_a_user_is_shown_without_the_key(self) -> None:
        _, client = connect(httpx.Response(200, json={"id": "user-1", "subscriptionStatus": "active", "apiKey": KEY}))

        user = client.show_user()

        assert user == User(user_id="user-1", subscription_status="active")
        assert KEY not in repr(user)

    def test_an_answer_that_echoes_the_key_wrongly_does_not_put_it_into_an_error(self) -> None:
        refusal = refusal_of(show_user, httpx.Response(200, json={"apiKey": KEY}))

        cause: BaseException | None = refusal
        while cause is not None:
            assert KEY not in str(cause)
            cause = cause.__cause__ or cause.__context__

    @pytest.mark.parametrize("call", QUESTIONS)
    @pytest.mark.parametrize("status_code", [401, 403])
    def test_a_bad_key_is_told_as_such(self, call: Callable[[BlotatoClient], object], status_code: int) -> None:
        refusal = refusal_of(call, httpx.Response(status_code, json={"message": "Invalid API key"}))

        assert (refusal.code, refusal.transient) == (ErrorCode.AUTHENTICATION, False)
        assert refusal.message == "Invalid API key"

    @pytest.mark.parametrize("call", QUESTIONS)
    def test_a_question_without_an_answer_may_be_asked_again(self, call: Callable[[BlotatoClient], object]) -> None:
        assert refusal_of(call, httpx.ReadTimeout("slow")).transient is True

    @pytest.mark.parametrize("call", [*QUESTIONS, cancel])
    def test_the_key_goes_verbatim(self, call: Callable[[BlotatoClient], object]) -> None:
        blotato, client = connect(httpx.Response(200, json={"items": [], "id": "user-1"}))

        call(client)

        assert blotato.requests[0].headers["blotato-api-key"] == KEY


@pytest.mark.parametrize(("timeout_seconds", "told"), [(None, 30.0), (3.0, 3.0)])
def test_a_question_waits_as_long_as_it_is_told(timeout_seconds: float | None, told: float) -> None:
    seen: list[tuple[float, float]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.extensions["timeout"]["read"], request.extensions["timeout"]["connect"]))
        return page()

    client = BlotatoClient(KEY, transport=httpx.MockTransport(answer), timeout_seconds=timeout_seconds)
    client.list_accounts()

    (waits,) = seen
    assert waits == pytest.approx((told, min(told, 10.0)), abs=1.0)
