"""The accounts of a stack: checked every night, and before a video is taken that names them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mediaposter.publishing.publisher_interface import Account
from mediaposter.stores.accounts import AccountStore, ConnectedAccounts
from mediaposter.stores.posts import PostState
from sandbox.blotato import ACCOUNTS, create_app
from sandbox.serving import serve_in_thread
from tests.builders import OWNER, a_post, a_target, a_video
from tests.unit.functions.conftest import Invoke
from tests.unit.functions.stack import STACK, Event, Stack, read_event

_LISTENS = pytest.mark.enable_socket(reason="Blotato's stand-in listens on loopback")
_KEY = "blotato-sandbox-key="


@pytest.fixture
def blotato(stack: Stack) -> Iterator[None]:
    """Serve the stand-in, and tell the stack of it."""
    with serve_in_thread(create_app(), base_path="/v2") as base_url:
        stack.tell(BlotatoBaseUrl=base_url)
        stack.client("ssm").put_parameter(Name=f"/mediaposter/{STACK}/blotato-api-key", Value=_KEY, Type="SecureString")
        yield


def wait_for(stack: Stack, account_id: str) -> None:
    """Keep a post that is to come."""
    due_at = datetime.now(UTC) + timedelta(days=1)
    post = a_post(a_target("twitter", account_id), owner=OWNER, state=PostState.SCHEDULED, due_at=due_at)
    stack.keep(a_video(), post)


def submit_event(*publish: dict[str, Any]) -> Event:
    """Build a request of a caller who may publish."""
    event = read_event("submit")
    event["body"] = json.dumps({"model": "sora-2", "prompt": "A red kite", "publish": list(publish)})
    event["requestContext"]["authorizer"]["scopes"] = "read create publish"
    return event


@_LISTENS
@pytest.mark.usefixtures("blotato")
def test_every_night_what_is_connected_is_kept(
    stack: Stack, invoke: Invoke, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(stack, ACCOUNTS["twitter"].id)

    assert invoke("CheckAccountsFunction", read_event("checkaccounts")) is None

    known = AccountStore(stack.table).get()
    assert known is not None
    assert {account.account_id for account in known.accounts} == {account.id for account in ACCOUNTS.values()}
    assert "AccountsMissing" not in capsys.readouterr().out


@_LISTENS
@pytest.mark.usefixtures("blotato")
def test_an_account_that_is_gone_is_counted_and_named_in_the_log(
    stack: Stack, invoke: Invoke, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    wait_for(stack, "999")

    invoke("CheckAccountsFunction", read_event("checkaccounts"))

    (metric,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert (metric["stack"], metric["AccountsMissing"]) == (STACK, [1.0])
    assert "twitter account 999 is not connected at Blotato." in log.getvalue()
    assert _KEY not in log.getvalue()


def test_a_stack_without_posts_and_without_a_key_is_left_in_peace(stack: Stack, invoke: Invoke) -> None:
    assert invoke("CheckAccountsFunction", read_event("checkaccounts")) is None

    assert AccountStore(stack.table).get() is None


@_LISTENS
@pytest.mark.usefixtures("blotato")
def test_a_post_to_what_is_not_connected_is_refused(stack: Stack, invoke: Invoke) -> None:
    answer = invoke("SubmitFunction", submit_event({"platform": "twitter", "account_id": "999"}))

    assert answer["statusCode"] == 400
    error = json.loads(answer["body"])["error"]
    assert (error["param"], error["code"]) == ("publish[0].account_id", "account_not_found")
    assert stack.executions() == []


def test_what_is_kept_answers_without_the_publisher(stack: Stack, invoke: Invoke) -> None:
    account = Account(account_id="101", platform="twitter", name="kites")
    AccountStore(stack.table).put(ConnectedAccounts(accounts=(account,), read_at=datetime.now(UTC)))

    answer = invoke("SubmitFunction", submit_event({"platform": "twitter", "account_id": "101"}))

    # Its key was never put: who were asked would say so.
    assert (answer["statusCode"], json.loads(answer["body"])["warnings"]) == (200, [])


def test_without_a_key_a_video_is_taken_with_a_warning(stack: Stack, invoke: Invoke) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    AccountStore(stack.table).put(ConnectedAccounts(accounts=(), read_at=long_ago))

    answer = invoke("SubmitFunction", submit_event({"platform": "twitter", "account_id": "101"}))

    assert answer["statusCode"] == 200
    (warning,) = json.loads(answer["body"])["warnings"]
    assert warning.startswith("accounts could not be checked: The secret ")


@_LISTENS
@pytest.mark.usefixtures("blotato")
def test_a_page_lists_what_is_connected_and_the_answer_is_kept(stack: Stack, invoke: Invoke) -> None:
    answer = invoke("ApiFunction", {**read_event("library-retrieve"), "path": "/accounts", "resource": "/accounts"})

    listed = json.loads(answer["body"])
    assert (answer["statusCode"], listed["warning"], listed["notice"]) == (200, None, None)
    assert {account["id"] for account in listed["data"]} == {account.id for account in ACCOUNTS.values()}
    assert any(account["boards"] for account in listed["data"])
    known = AccountStore(stack.table).get()
    assert known is not None
    assert int(known.read_at.timestamp()) == listed["checked_at"]


def test_a_key_asks_what_it_may_do_whatever_that_is(invoke: Invoke) -> None:
    event = read_event("library-retrieve")
    context = event["requestContext"]
    caller = {**context["authorizer"], "scopes": "approve", "key_name": "phone", "expires_at": "2026-12-02T00:00:00Z"}

    answer = invoke(
        "ApiFunction",
        {**event, "path": "/key", "resource": "/key", "requestContext": {**context, "authorizer": caller}},
    )

    key = json.loads(answer["body"])
    assert (key["name"], key["scopes"], key["accounts"]) == ("phone", ["approve"], None)
    assert key["expires_at"] == datetime(2026, 12, 2, tzinfo=UTC).timestamp()
