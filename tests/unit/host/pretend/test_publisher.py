"""The pretended publisher: it answers as Blotato does, keeps what it took, and says that nothing is public."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mediaposter.domain.errors import ErrorCode, PostUnknown, PublisherError
from mediaposter.host.pretend.faults import PostFault
from mediaposter.host.pretend.publisher import ACCOUNTS, BOARDS, PAGES, PretendedPublisher
from mediaposter.publishing.publisher_interface import ListedPost, PostReport, PostStatus, PublisherInterface
from mediaposter.publishing.targets import PublishTarget
from tests.builders import a_target
from tests.fakes.clock import Clock

X = a_target("twitter", "901")


class Blotato:
    """A publisher over a folder; `restart` stands for a process that was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clock = Clock()
        self.restart()

    def restart(self) -> None:
        self.opened = PretendedPublisher(self._folder, clock=self.clock)
        # mypy holds it to the interface.
        self.publisher: PublisherInterface = self.opened

    def upload(self) -> str:
        return self.publisher.upload_stream(iter([b"a ", b"film"]), size_bytes=6, filename="video_1-twitter-901.mp4")

    def post(self, text: str = "Look up", target: PublishTarget = X, **when: object) -> PostReport:
        return self.publisher.publish(target, text=text, media_url=self.upload(), **when)  # type: ignore[arg-type]

    def refuse(self, text: str = "Look up", target: PublishTarget = X) -> PublisherError:
        with pytest.raises(PublisherError) as raised:
            self.post(text, target)
        return raised.value

    def find(self, report: PostReport) -> PostReport:
        return self.publisher.get_post(report.submission_id)

    def list(self, platform: str = "twitter") -> list[ListedPost]:
        now = self.clock()
        return self.publisher.list_posts(
            since=now - timedelta(hours=1), until=now + timedelta(days=300), platform=platform
        )

    def in_days(self, days: int) -> datetime:
        return self.clock() + timedelta(days=days)


@pytest.fixture
def blotato(tmp_path: Path) -> Iterator[Blotato]:
    blotato = Blotato(tmp_path / "blotato")
    yield blotato
    blotato.opened.close()


def test_a_post_is_accepted_in_progress_and_then_published_where_no_network_is(blotato: Blotato) -> None:
    report = blotato.post()
    assert (report.status, report.public_url) == (PostStatus.IN_PROGRESS, None)
    blotato.clock.advance(1.9)
    assert blotato.find(report).status is PostStatus.IN_PROGRESS
    assert blotato.list() == []
    blotato.clock.advance(0.1)
    found = blotato.find(report)
    assert found.status is PostStatus.PUBLISHED
    host = urlsplit(found.public_url or "").hostname or ""
    assert host.endswith(".invalid")
    assert "pretended" in host


def test_a_published_post_is_found_by_what_it_shows(blotato: Blotato) -> None:
    media_url = blotato.upload()
    report = blotato.publisher.publish(X, text="Look up", media_url=media_url)
    blotato.clock.advance(2)
    [listed] = blotato.list()
    assert (listed.text, listed.media_urls, listed.status) == ("Look up", (media_url,), PostStatus.PUBLISHED)
    assert listed.listed_id != report.submission_id
    assert listed.public_url == blotato.find(report).public_url
    assert blotato.list("threads") == []


def test_a_list_ends_at_its_times(blotato: Blotato) -> None:
    blotato.post()
    blotato.clock.advance(2)
    at = blotato.clock()
    for since, until, count in ((at, at, 1), (at + timedelta(seconds=1), at + timedelta(1), 0), (at, at, 1)):
        assert len(blotato.publisher.list_posts(since=since, until=until, platform="twitter")) == count


def test_an_unknown_submission_is_in_progress_for_ever(blotato: Blotato) -> None:
    blotato.clock.advance(100_000)
    assert blotato.publisher.get_post("no-such-post").status is PostStatus.IN_PROGRESS


def test_a_scheduled_post_waits_for_its_time_and_then_goes_out(blotato: Blotato) -> None:
    at = blotato.in_days(2)
    report = blotato.post(scheduled_time=at)
    assert (report.status, report.scheduled_time) == (PostStatus.SCHEDULED, at)
    [schedule] = blotato.publisher.list_schedules()
    assert (schedule.scheduled_time, schedule.account_id, schedule.platform) == (at, "901", "twitter")
    [listed] = blotato.list()
    assert (listed.status, listed.post_time) == (PostStatus.SCHEDULED, at)
    blotato.clock.now = at + timedelta(seconds=2)
    assert blotato.publisher.list_schedules() == []
    assert blotato.find(report).status is PostStatus.PUBLISHED


def test_the_next_free_slot_of_an_account_is_no_others(blotato: Blotato) -> None:
    slots = [blotato.post(next_free_slot=True).scheduled_time for _ in range(2)]
    other = blotato.post(target=a_target("threads", "908"), next_free_slot=True).scheduled_time
    assert slots[0] == other
    assert None not in slots
    assert slots[1] == other + timedelta(days=1)  # type: ignore[operator]


def test_a_scheduled_post_is_moved_as_it_is(blotato: Blotato) -> None:
    report = blotato.post(scheduled_time=blotato.in_days(1))
    [schedule] = blotato.publisher.list_schedules()
    assert blotato.publisher.move_schedule(schedule.schedule_id, blotato.in_days(3)) is True
    [moved] = blotato.publisher.list_schedules()
    assert moved == schedule.model_copy(update={"scheduled_time": blotato.in_days(3)})
    blotato.clock.now = moved.scheduled_time + timedelta(seconds=2)
    assert blotato.find(report).status is PostStatus.PUBLISHED
    assert blotato.publisher.move_schedule(schedule.schedule_id, blotato.in_days(3)) is False


def test_a_cancelled_post_never_goes_out(blotato: Blotato) -> None:
    report = blotato.post(scheduled_time=blotato.in_days(1))
    other = blotato.post(scheduled_time=blotato.in_days(1))
    [schedule, _] = blotato.publisher.list_schedules()
    assert blotato.publisher.cancel_schedule(schedule.schedule_id) is True
    assert blotato.publisher.cancel_schedule(schedule.schedule_id) is False
    blotato.clock.advance(2 * 86_400)
    assert blotato.find(report).status is PostStatus.IN_PROGRESS
    assert blotato.find(other).status is PostStatus.PUBLISHED
    assert blotato.publisher.cancel_schedule("sch_2") is False


def test_a_post_at_an_unclear_time_is_not_taken(blotato: Blotato) -> None:
    at = blotato.in_days(1)
    for when in ({"scheduled_time": at, "next_free_slot": True}, {"scheduled_time": at.replace(tzinfo=None)}):
        with pytest.raises(ValueError, match=r"not both|offset from UTC"):
            blotato.post(**when)
    blotato.post(scheduled_time=at.astimezone(UTC))
    with pytest.raises(ValueError, match="offset from UTC"):
        blotato.publisher.move_schedule("sch_1", at.replace(tzinfo=None))
    assert len(blotato.publisher.list_schedules()) == 1


def test_a_post_whose_account_is_not_connected_is_refused(blotato: Blotato) -> None:
    assert blotato.refuse(target=a_target("twitter", "101")).code is ErrorCode.INVALID_REQUEST
    assert "is connected to linkedin, not to twitter" in blotato.refuse(target=a_target("twitter", "902")).message
    assert blotato.list() == []


def test_a_post_to_a_page_or_board_of_another_fails(blotato: Blotato) -> None:
    targets = [
        a_target("facebook", "903", page_id="9020001"),
        a_target("pinterest", "906", board_id="elsewhere"),
        a_target("facebook", "903", page_id="9030001"),
        a_target("pinterest", "906", board_id="9060001"),
    ]
    reports = [blotato.post(target=target) for target in targets]
    blotato.clock.advance(2)
    found = [blotato.find(report) for report in reports]
    assert [report.status for report in found] == [PostStatus.FAILED] * 2 + [PostStatus.PUBLISHED] * 2
    assert "does not belong to this account" in (found[0].error_message or "")


def test_a_post_of_what_was_not_uploaded_fails(blotato: Blotato) -> None:
    report = blotato.publisher.publish(X, text="Look up", media_url="https://media.example.com/clip.mp4")
    blotato.clock.advance(2)
    assert blotato.find(report).error_message == "Failed to read media metadata"


def test_an_upload_that_is_cut_off_is_no_upload(blotato: Blotato) -> None:
    with pytest.raises(PublisherError, match="has 5 bytes, not 6") as raised:
        blotato.publisher.upload_stream(iter([b"a fil"]), size_bytes=6, filename="a.mp4")
    assert raised.value.transient


def test_what_was_taken_is_there_after_a_restart(blotato: Blotato) -> None:
    at, media_url = blotato.in_days(1), blotato.upload()
    reports = [blotato.post(), blotato.post(scheduled_time=at)]
    schedules = blotato.publisher.list_schedules()
    blotato.restart()
    assert blotato.publisher.list_schedules() == schedules
    reports.append(blotato.publisher.publish(X, text="Later", media_url=media_url))
    blotato.clock.now = at + timedelta(seconds=2)
    found = [blotato.find(report) for report in reports]
    assert {report.status for report in found} == {PostStatus.PUBLISHED}
    assert len({report.public_url for report in found}) == 3


def test_a_text_can_ask_for_a_failure(blotato: Blotato) -> None:
    assert blotato.refuse("Look [post: refuse]").code is ErrorCode.INVALID_REQUEST
    failed, silent = blotato.post("Look [post: fail_publish]"), blotato.post("Look [post: stay_in_progress]")
    blotato.clock.advance(1_000)
    assert blotato.find(failed).status is PostStatus.FAILED
    assert blotato.find(silent).status is PostStatus.IN_PROGRESS
    [listed] = blotato.list()
    assert (listed.status, listed.error_message) == (PostStatus.FAILED, "The network refused the post.")


def test_a_lost_answer_is_unknown_and_the_post_is_found_in_the_list(blotato: Blotato) -> None:
    media_url = blotato.upload()
    with pytest.raises(PostUnknown):
        blotato.publisher.publish(X, text="Look [post: accept_then_drop]", media_url=media_url)
    blotato.clock.advance(2)
    assert [listed.media_urls for listed in blotato.list()] == [(media_url,)]


def test_an_unknown_failure_is_refused_with_those_that_there_are(blotato: Blotato) -> None:
    error = blotato.refuse("Look [post: explode]")
    assert all(f"[post: {fault}]" in error.message for fault in PostFault)
    # Those of videos mean nothing here: a caption may repeat its prompt.
    assert blotato.post("Look [video: fail]")


def test_its_accounts_are_one_or_two_of_each_network_and_what_lies_below_is_theirs(blotato: Blotato) -> None:
    accounts = blotato.publisher.list_accounts()
    assert len({account.account_id for account in accounts}) == len(accounts)
    assert {account.platform for account in accounts} == {
        *("twitter", "linkedin", "facebook", "tiktok", "youtube", "pinterest", "instagram", "threads", "bluesky")
    }
    for account in ACCOUNTS:
        below = [page for page in PAGES if page.account_id == account.account_id]
        assert blotato.publisher.list_pages(account.account_id) == below
        assert not below or account.has_pages
    assert blotato.publisher.list_boards("906") == list(BOARDS)
    assert blotato.publisher.list_boards("901") == []
