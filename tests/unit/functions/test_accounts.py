"""The accounts of a stack: checked every night, and before a video is taken that names them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

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


def test_without_a_key_a_video_is_taken_with_a_warning(stack: Stack, invoke: Invoke) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    AccountStore(stack.table).put(ConnectedAccounts(accounts=(), read_at=long_ago))

    answer = invoke("SubmitFunction", submit_event({"platform": "twitter", "account_id": "101"}))

    assert answer["statusCode"] == 200
    (warning,) = json.loads(answer["body"])["warnings"]
    assert warning.startswith("accounts could not be checked: The secret ")
