"""`mediaposter webhooks secret`: the secret by which an owner's receiver knows its webhooks."""

from __future__ import annotations

import json
import logging
import re

import pytest
from openai import OpenAI

from mediaposter.stores.keys import Scope
from mediaposter.wire.webhooks import derive_webhook_secret, sign_webhook
from tests.builders import NOW
from tests.unit.cli.stack import Run, StackInMemory

MASTER = "a signing key of the stack, long enough"
OWNER = "website"


@pytest.fixture(autouse=True)
def key_id(stack: StackInMemory) -> str:
    """Make a key of the owner, and one of another."""
    stack.secrets["webhook-signing-key"] = MASTER
    stack.keys.create("other", scopes=(Scope.READ,), now=NOW)
    return stack.keys.create("shop", scopes=(Scope.READ,), now=NOW, owner=OWNER)[1].key_id


def read_secret(out: str) -> str:
    """Find the secret that was shown."""
    (secret,) = re.findall(r"export OPENAI_WEBHOOK_SECRET=(whsec_\S+)", out)
    return str(secret)


def test_the_secret_of_an_owner_is_shown_and_verifies_what_the_stack_signs(run: Run) -> None:
    outcome = run("webhooks", "secret", "--owner", OWNER)

    secret = read_secret(outcome.out)
    body = json.dumps({"type": "video.completed"})
    now = NOW.now(NOW.tzinfo)
    signed = sign_webhook("evt_1", body.encode(), secret=derive_webhook_secret(MASTER, OWNER), now=now)
    OpenAI(api_key="mp_x").webhooks.verify_signature(body, signed, secret=secret)
    assert (outcome.status, outcome.err) == (0, "")


def test_a_key_stands_for_its_owner(run: Run, key_id: str) -> None:
    assert run("webhooks", "secret", "--key", key_id).out == run("webhooks", "secret", "--owner", OWNER).out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--owner", "webside"), "mediaposter has no key of the owner webside."),
        (("--key", "mp_thekeyitself"), "mediaposter has no key with that id."),
    ],
)
def test_a_mistaken_owner_or_key_has_no_secret_and_is_not_repeated_if_it_is_one(
    run: Run, arguments: tuple[str, str], sentence: str
) -> None:
    outcome = run("webhooks", "secret", *arguments)

    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == f"{sentence} mediaposter keys list shows those it has.\n"


@pytest.mark.parametrize("arguments", [(), ("--owner", OWNER, "--key", "key_1"), ("--owner", "a#b")])
def test_one_owner_is_named(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("webhooks", "secret", *arguments).status == 2


def test_a_signing_key_that_is_too_short_to_stay_secret_is_refused(run: Run, stack: StackInMemory) -> None:
    stack.secrets["webhook-signing-key"] = "short"

    outcome = run("webhooks", "secret", "--owner", OWNER)

    assert (outcome.status, outcome.out) == (1, "")
    assert "put a random one" in outcome.err


def test_the_secret_is_shown_and_never_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        secret = read_secret(run("webhooks", "secret", "--owner", OWNER).out)

    assert secret not in caplog.text
    assert MASTER not in caplog.text
