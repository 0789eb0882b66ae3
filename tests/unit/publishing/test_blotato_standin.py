"""The client of Blotato against its stand-in: what both read from the documents fits together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.testclient import TestClient

from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.publishing.publisher_interface import Account, Board, ListedPost, Page, PostStatus
from sandbox.blotato import ACCOUNTS, FACEBOOK_PAGE, LINKEDIN_PAGE, PINTEREST_BOARD, YOUTUBE_PLAYLIST, Route, create_app
from tests.builders import a_target
from tests.fakes.clock import Clock

KEY = "blotato-sandbox-key="
VIDEO = "https://media.example.com/clip.mp4"
X = a_target("twitter", ACCOUNTS["twitter"].id)


class StandIn:
    """The stand-in within this process, and a client of it."""

    def __init__(self, app: TestClient, clock: Clock) -> None:
        self.clock = clock
        self.client = BlotatoClient(KEY, base_url="http://blotato/v2", transport=httpx.MockTransport(self._carry))
        self._app = app

    def add_fault(self, on: str, type_: str, **action: object) -> None:
        """Let something go wrong once."""
        rule = {"on": on, "times": 1, "action": {"type": type_, **action}}
        assert self._app.post("/_sandbox/faults", json={"rules": [rule]}).status_code == 204

    def disconnect(self, account_id: str) -> None:
        """Take an account away."""
        assert self._app.delete(f"/_sandbox/accounts/{account_id}").status_code == 204

    def list_recent(self, platform: str = "twitter") -> list[ListedPost]:
        """List what was posted lately."""
        now = self.clock()
        return self.client.list_posts(
            since=now - timedelta(hours=1), until=now + timedelta(days=300), platform=platform
        )

    def _carry(self, request: httpx.Request) -> httpx.Response:
        answer = self._app.request(
            request.method, str(request.url), headers=dict(request.headers), content=request.read()
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


@pytest.fixture
def blotato() -> Iterator[StandIn]:
    clock = Clock()
    with TestClient(create_app(now=clock)) as app:
        yield StandIn(app, clock)


def test_what_is_connected_and_lies_below_it_is_read(blotato: StandIn) -> None:
    client, pinterest = blotato.client, ACCOUNTS["pinterest"].id
    assert client.show_user().subscription_status == "active"
    twitter = Account(
        account_id="801",
        platform="twitter",
        name="mediaposter_sandbox",
        full_name="MediaPoster Sandbox",
        username="mediaposter_sandbox",
    )
    assert twitter in client.list_accounts()
    assert len(client.list_accounts()) == len(ACCOUNTS)
    for page in (FACEBOOK_PAGE, LINKEDIN_PAGE, YOUTUBE_PLAYLIST):
        below = Page(page_id=page.id, account_id=page.account_id, name=page.name)
        assert client.list_pages(page.account_id) == [below]
    board = Board(board_id=PINTEREST_BOARD.id, account_id=pinterest, name=PINTEREST_BOARD.name)
    assert client.list_boards(pinterest) == [board]


def test_a_post_is_found_by_what_it_shows(blotato: StandIn) -> None:
    report = blotato.client.publish(X, text="Look up", media_url=VIDEO)
    blotato.clock.advance(2)

    (listed,) = blotato.list_recent()

    assert (listed.text, listed.media_urls, listed.status) == ("Look up", (VIDEO,), PostStatus.PUBLISHED)
    assert listed.listed_id != report.submission_id
    assert blotato.list_recent("threads") == []


def test_a_post_that_was_taken_twice_is_seen_twice(blotato: StandIn) -> None:
    blotato.add_fault(Route.CREATE_POST, "accept_twice")
    blotato.client.publish(X, text="Look up", media_url=VIDEO)
    blotato.clock.advance(2)

    assert len({listed.listed_id for listed in blotato.list_recent()}) == 2


def test_a_list_of_many_pages_is_read_to_its_end(blotato: StandIn) -> None:
    at = blotato.clock() + timedelta(days=1)
    for number in range(51):
        if number == 25:
            blotato.clock.advance(60)
        blotato.client.publish(X, text=str(number), media_url=VIDEO, scheduled_time=at + timedelta(minutes=number))

    assert [schedule.text for schedule in blotato.client.list_schedules()] == [str(number) for number in range(51)]


def test_a_scheduled_post_is_moved_as_it_is(blotato: StandIn) -> None:
    first = datetime(2026, 12, 2, 9, tzinfo=UTC)
    target = a_target("tiktok", ACCOUNTS["tiktok"].id, privacy_level="SELF_ONLY")
    report = blotato.client.publish(target, text="Look up", media_url=VIDEO, scheduled_time=first)
    assert (report.status, report.scheduled_time) == (PostStatus.SCHEDULED, first)
    (schedule,) = blotato.client.list_schedules()

    assert blotato.client.move_schedule(schedule.schedule_id, first + timedelta(days=1)) is True

    (moved,) = blotato.client.list_schedules()
    assert moved == schedule.model_copy(update={"scheduled_time": first + timedelta(days=1)})
    blotato.clock.now = first + timedelta(days=1, seconds=2)
    assert blotato.client.get_post(report.submission_id).status is PostStatus.PUBLISHED


def test_a_cancelled_post_never_goes_out(blotato: StandIn) -> None:
    report = blotato.client.publish(X, text="Look up", media_url=VIDEO, next_free_slot=True)
    assert report.scheduled_time is not None
    (schedule,) = blotato.client.list_schedules()

    assert blotato.client.cancel_schedule(schedule.schedule_id) is True
    assert blotato.client.cancel_schedule(schedule.schedule_id) is False
    assert blotato.client.move_schedule(schedule.schedule_id, report.scheduled_time) is False

    blotato.clock.now = report.scheduled_time + timedelta(seconds=2)
    assert blotato.list_recent() == []


def test_a_disconnected_account_is_gone_and_its_schedules_still_tell_whose_they_are(blotato: StandIn) -> None:
    blotato.client.publish(X, text="Look up", media_url=VIDEO, next_free_slot=True)

    blotato.disconnect(X.account_id)

    assert X.account_id not in [account.account_id for account in blotato.client.list_accounts()]
    assert [schedule.account_id for schedule in blotato.client.list_schedules()] == [X.account_id]
