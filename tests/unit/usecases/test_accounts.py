"""What is connected: kept every night, and looked up before a post is planned."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mediaposter.domain.errors import ConfigurationError, ErrorCode, InvalidRequest, PublisherError
from mediaposter.publishing.publisher_interface import Account
from mediaposter.publishing.targets import PublishTarget
from mediaposter.stores.due import DueStore
from mediaposter.stores.posts import PostState, PostStore
from mediaposter.usecases.posting.accounts import ValidateAccounts, list_waiting_targets
from mediaposter.wire.request_context import RequestContext
from tests.builders import NOW, a_caller, a_post, a_request, a_target, a_video
from tests.fakes.table import InMemoryTable
from tests.fakes.world import World
from tests.unit.usecases.office import NO_KEY, Office

X = a_target("twitter", "801")
FACEBOOK = a_target("facebook", "803", page_id="102")
LINKEDIN = a_target("linkedin", "802", page_id="708")
YOUTUBE = a_target("youtube", "805", playlist_ids=["PL1"])
PINTEREST = a_target("pinterest", "806", board_id="900")
SILENT = PublisherError(ErrorCode.PROVIDER_ERROR, "Blotato could not be reached: ConnectError.", transient=True)


@pytest.fixture
def office() -> Office:
    return Office()


def refusal_of(validate_accounts: ValidateAccounts, *targets: PublishTarget) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as error:
        validate_accounts.check(targets)
    assert error.value.code == "account_not_found"
    return error.value


class TestReadAccounts:
    def test_each_account_that_is_gone_is_counted_and_named_once(self, office: Office) -> None:
        office.waiting = [X, X, FACEBOOK, a_target("twitter", "999")]
        office.disconnect("801")

        assert office.read() == 2

        assert office.metrics == ["AccountsMissing"] * 2
        assert office.reports == [
            "A waiting post will fail: twitter account 801 is not connected at Blotato.",
            "A waiting post will fail: twitter account 999 is not connected at Blotato.",
        ]

    def test_a_publisher_that_does_not_answer_leaves_what_was_known(self, office: Office) -> None:
        office.read()
        office.publisher.account_error = SILENT
        office.clock.advance(86_400)

        with pytest.raises(PublisherError):
            office.read()

        assert office.known().read_at == NOW

    def test_a_stack_that_posts_nothing_needs_no_key(self, office: Office) -> None:
        office.missing_key = NO_KEY

        assert office.read() == 0

        assert office.book.get() is None
        assert office.reports == [f"The accounts were not checked, and no post waits: {NO_KEY}"]

    def test_posts_that_wait_without_a_key_are_a_fault(self, office: Office) -> None:
        office.missing_key = NO_KEY
        office.waiting = [X]

        with pytest.raises(ConfigurationError):
            office.read()


class TestWaitingTargets:
    def test_posts_that_are_to_come_are_listed_and_others_are_not(self) -> None:
        table = InMemoryTable()
        soon = NOW + timedelta(days=200)
        states = [state for state in PostState if state is not PostState.CANCELLED]
        table.create([a_video()])
        for number, state in enumerate(states):
            table.create([a_post(a_target("twitter", str(number)), state=state, due_at=soon)])
        table.create([a_post(a_target("twitter", "undue"), state=PostState.PENDING)])

        waiting = list_waiting_targets(DueStore(table), PostStore(table), now=NOW)

        assert {states[int(target.account_id)] for target in waiting} == {PostState.PENDING, PostState.SCHEDULED}


class TestPreflight:
    @pytest.mark.parametrize(
        ("target", "field", "sentence"),
        [
            (a_target("twitter", "999"), "account_id", "twitter account 999 is not connected at Blotato."),
            (a_target("threads", "801"), "account_id", "account 801 is of twitter, not of threads."),
            (a_target("facebook", "803", page_id="5"), "page_id", "there is no page 5 of facebook account 803."),
            # A page of another account.
            (a_target("facebook", "803", page_id="708"), "page_id", "there is no page 708 of facebook account 803."),
            (a_target("linkedin", "802", page_id="5"), "page_id", "there is no page 5 of linkedin account 802."),
            (
                a_target("youtube", "805", playlist_ids=["PL1", "PL2"]),
                "playlist_ids",
                "there is no playlist PL2 of youtube account 805.",
            ),
            (a_target("pinterest", "806", board_id="5"), "board_id", "there is no board 5 of pinterest account 806."),
        ],
    )
    def test_what_is_not_connected_is_refused_by_its_field(
        self, office: Office, target: PublishTarget, field: str, sentence: str
    ) -> None:
        refusal = refusal_of(office.validate_accounts, X, target)

        assert refusal.param == f"publish[1].{field}"
        assert refusal.message == (f"publish[1] ({target.platform} account {target.account_id}): {field}: {sentence}")

    def test_what_is_known_is_not_asked_for(self, office: Office) -> None:
        office.read()
        asked = office.publisher.questions
        office.missing_key = NO_KEY
        office.clock.advance(3_600)

        assert office.validate_accounts.check([X, FACEBOOK, PINTEREST]) == []

        assert office.publisher.questions == asked

    def test_a_page_that_was_read_more_than_an_hour_ago_is_asked_for_again(self, office: Office) -> None:
        office.validate_accounts.check([FACEBOOK])
        office.clock.advance(1_800)
        office.validate_accounts.check([LINKEDIN])  # keeps the accounts fresh
        office.publisher.pages = []
        office.clock.advance(1_801)

        assert refusal_of(office.validate_accounts, FACEBOOK).param == "publish[0].page_id"

    def test_a_target_that_names_nothing_below_asks_for_the_accounts_alone(self, office: Office) -> None:
        office.validate_accounts.check([a_target("linkedin", "802")])

        assert office.publisher.questions == 1

    def test_pages_of_another_account_are_asked_for_at_once(self, office: Office) -> None:
        office.validate_accounts.check([FACEBOOK])

        refusal_of(office.validate_accounts, a_target("linkedin", "802", page_id="5"))

        assert office.publisher.account_questions == 2

    def test_a_warm_process_reads_the_table_once_a_minute(self, office: Office) -> None:
        office.read()
        office.validate_accounts.check([X])
        office.disconnect("801")
        office.read()

        assert office.validate_accounts.check([X]) == []
        office.clock.advance(61)
        refusal_of(office.validate_accounts, X)

    def test_what_another_process_has_just_learned_is_read_at_once(self, office: Office) -> None:
        office.read()
        office.validate_accounts.check([X])
        office.publisher.accounts.append(Account(account_id="808", platform="threads", name="kites"))
        office.clock.advance(61)
        office.validate_accounts.check([X])
        office.start_process().check([a_target("threads", "808")])
        asked = office.publisher.questions

        office.validate_accounts.check([a_target("threads", "808")])

        assert office.publisher.questions == asked

    @pytest.mark.parametrize(("silence", "missing_key"), [(SILENT, None), (None, NO_KEY)], ids=["silent", "no key"])
    def test_a_publisher_that_cannot_be_reached_stops_no_request(
        self, office: Office, silence: PublisherError | None, missing_key: ConfigurationError | None
    ) -> None:
        office.publisher.account_error = silence
        office.missing_key = missing_key

        assert office.validate_accounts.check([X]) == [f"accounts could not be checked: {silence or missing_key}"]
        assert office.book.get() is None

    def test_who_does_not_answer_is_not_asked_again_for_a_minute(self, office: Office) -> None:
        office.publisher.account_error = SILENT
        first = office.validate_accounts.check([X])
        office.publisher.account_error = None

        assert office.validate_accounts.check([X]) == first
        assert office.publisher.account_questions == 1

        office.clock.advance(60)
        assert office.validate_accounts.check([X]) == []

    def test_a_slow_publisher_is_not_waited_for(self) -> None:
        office = Office(answer_seconds=5)

        assert office.validate_accounts.check([FACEBOOK, LINKEDIN, YOUTUBE, PINTEREST]) == [
            "accounts could not be checked: Blotato answers too slowly."
        ]
        assert office.publisher.questions == 2


class TestSubmit:
    def test_a_request_that_is_repeated_is_answered_whatever_is_connected_by_now(self, office: Office) -> None:
        world = World(validate_accounts=office.validate_accounts.check)
        request_context = RequestContext(idempotency_key="once")
        first = world.submit(a_request(publish=[X]), caller=a_caller(), request_context=request_context)
        office.disconnect("801")
        office.clock.advance(3_601)

        again = world.submit(a_request(publish=[X]), caller=a_caller(), request_context=request_context)

        assert again.video.id == first.video.id
        refusal_of(office.validate_accounts, X)

    def test_a_dry_run_refuses_what_is_not_connected(self, office: Office) -> None:
        world = World(validate_accounts=office.validate_accounts.check)

        with pytest.raises(InvalidRequest):
            world.submit.estimate(a_request(publish=[a_target("twitter", "999")]), caller=a_caller())
