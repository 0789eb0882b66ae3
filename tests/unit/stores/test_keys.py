"""API keys: shown once, kept as a hash, listed by an id that gives nothing away, and revoked for good."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from checks.cloudformation import read_template
from mediaposter.domain.errors import NotFound
from mediaposter.stores.keys import ACCOUNTS_MAX_CHARACTERS, ApiKey, KeyStore, ListedKey, Scope, write_accounts
from mediaposter.stores.table import Change, Key, PageQuery, Put, Record, Replace
from tests.builders import NOW
from tests.fakes.table import InMemoryTable

TEMPLATE = Path(__file__).parents[3] / "template.yaml"
SCOPES = (Scope.READ, Scope.CREATE)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def table() -> InMemoryTable:
    return InMemoryTable()


def an_api_key(**changes: Any) -> ApiKey:
    return ApiKey.model_validate(
        {"key_hash": "0" * 64, "owner": "key_1", "name": "laptop", "scopes": SCOPES, "created_at": NOW, **changes}
    )


def test_a_key_is_found_by_what_was_shown(table: InMemoryTable) -> None:
    ring = KeyStore(table)

    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)

    assert ring.find(secret) == api_key
    assert (api_key.name, api_key.scopes, api_key.created_at) == ("laptop", SCOPES, NOW)
    # It may post to all accounts for ever unless it is said otherwise, and approve only if that is said.
    limits = ("accounts", "expires_at", "daily_budget_micros", "rate_per_minute", "webhook_url")
    assert [getattr(api_key, name) for name in limits] == [None] * 5
    assert (secret[:3], len(secret) >= 40, secret == ring.create("b", scopes=SCOPES, now=NOW)[0]) == (
        "mp_",
        True,
        False,
    )


def test_a_key_keeps_what_limits_it(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    limits: dict[str, Any] = {
        "daily_budget_micros": 5_000_000,
        "rate_per_minute": 30,
        "webhook_url": "https://hooks.example/videos",
        "accounts": ("instagram:807", "twitter:101"),
    }

    secret, _ = ring.create("laptop", scopes=SCOPES, now=NOW, **limits)

    found = ring.find(secret)
    assert found is not None
    assert {name: getattr(found, name) for name in limits} == limits


class AnOlderKey(Record):
    """A key as it was kept before `approve` was a scope, or its copy in the list."""

    key_hash: str | None = None
    owner: str | None = None
    name: str | None = None
    scopes: tuple[str, ...] | None = None
    created_at: datetime | None = None
    api_key: dict[str, Any] | None = None

    @property
    def key(self) -> Key:
        return Key(f"KEY#{self.key_hash}", "KEY") if self.key_hash else Key("KEYS", "2026-01-01#key_1")


@pytest.mark.parametrize(
    ("kept", "may"),
    [
        (("read", "publish"), (Scope.READ, Scope.PUBLISH, Scope.APPROVE)),
        (("read", "create"), (Scope.READ, Scope.CREATE)),
        (("admin",), (Scope.ADMIN,)),
    ],
)
def test_keys_of_before_go_on_to_approve_what_they_may_publish(
    table: InMemoryTable, kept: tuple[str, ...], may: tuple[Scope, ...]
) -> None:
    secret = "mp_of-before"
    key_hash = hashlib.sha256(secret.encode()).hexdigest()
    fields: dict[str, Any] = {"key_hash": key_hash, "owner": "key_1", "name": "laptop", "scopes": kept}
    older = AnOlderKey(**fields, created_at=NOW)
    listed = AnOlderKey(api_key={**fields, "scopes": list(kept), "created_at": NOW.isoformat(), "version": 1})
    table.commit([Put(older), Put(listed)])
    ring = KeyStore(table)

    found = ring.find(secret)

    assert found is not None
    assert found.scopes == may
    assert [one.scopes for one in ring.list()] == [may]


def test_a_key_that_was_changed_since_approves_as_before(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    table.commit(
        [Put(an_api_key(scopes=(Scope.PUBLISH,))), Put(ListedKey(api_key=an_api_key(scopes=(Scope.PUBLISH,))))]
    )

    revoked = ring.revoke("key_1", now=LATER)

    assert ring.list() == [revoked]
    assert revoked.scopes == (Scope.PUBLISH, Scope.APPROVE)


@pytest.mark.parametrize(("seconds", "is_found"), [(-1, True), (0, False)])
def test_a_key_opens_nothing_from_when_it_expires(table: InMemoryTable, seconds: int, is_found: bool) -> None:
    ring = KeyStore(table, clock=lambda: LATER + timedelta(seconds=seconds))

    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW, expires_at=LATER)

    assert (ring.find(secret) is not None) is is_found
    assert (ring.find_by_hash(api_key.key_hash) is not None) is is_found
    assert ring.list() == [api_key]


def test_a_key_has_no_more_accounts_than_an_authorizer_hands_on() -> None:
    accounts = tuple(f"instagram:{number}" for number in range(100, 400))
    assert len(write_accounts(accounts)) > ACCOUNTS_MAX_CHARACTERS

    with pytest.raises(ValidationError, match="3,000 characters at most"):
        an_api_key(accounts=accounts)
    an_api_key(accounts=accounts[:200])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_gateway_lets_every_key_pass_that_is_made(scheme: str) -> None:
    secret, _ = KeyStore(InMemoryTable()).create("laptop", scopes=SCOPES, now=NOW)

    assert re.fullmatch(_read_validation_expression(), f"{scheme} {secret}")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer mp_short",
        "Bearer sk-" + "a" * 43,
        "Basic mp_" + "a" * 43,
        "Bearer mp_" + "a" * 42 + "!",
        "Bearer mp_" + "a" * 100,
    ],
)
def test_what_can_be_no_key_is_refused_by_the_gateway_itself(header: str) -> None:
    assert not re.fullmatch(_read_validation_expression(), header)


def _read_validation_expression() -> str:
    auth = read_template(TEMPLATE).resources["VideosApi"].properties["Auth"]
    return str(auth["Authorizers"][auth["DefaultAuthorizer"]]["Identity"]["ValidationExpression"])


def test_the_key_itself_is_kept_nowhere() -> None:
    table = InMemoryTable()

    secret, api_key = KeyStore(table).create("laptop", scopes=SCOPES, now=NOW)

    assert secret not in repr(table.items)
    assert secret.removeprefix("mp_") not in repr(table.items)
    assert secret not in repr(api_key)
    assert api_key.key_hash == hashlib.sha256(secret.encode()).hexdigest()


def test_the_id_of_a_key_gives_nothing_of_it_away() -> None:
    secret, api_key = KeyStore(InMemoryTable()).create("laptop", scopes=SCOPES, now=NOW)

    assert re.fullmatch(r"key_[0-9a-f]{16}", api_key.key_id)
    number = api_key.key_id.removeprefix("key_")
    assert number not in secret
    assert number not in api_key.key_hash


def test_a_key_may_have_the_owner_of_another_which_it_replaces() -> None:
    ring = KeyStore(InMemoryTable())
    _, old = ring.create("laptop", scopes=SCOPES, now=NOW)

    _, new = ring.create("laptop, again", scopes=SCOPES, now=LATER, owner=old.owner)

    assert old.owner == old.key_id != new.key_id
    assert new.owner == old.owner


def test_a_key_that_was_never_made_is_not_found(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)

    assert ring.find("mp_nothing") is None
    assert ring.find(secret + "x") is None
    assert ring.find(api_key.key_hash) is None


def test_keys_are_listed_the_oldest_first(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    # As text, a whole second would come after its own fractions; and so would an hour in another zone.
    moments = [
        NOW,
        (NOW + timedelta(milliseconds=500)).astimezone(timezone(timedelta(hours=-5))),
        NOW + timedelta(seconds=1),
    ]
    made = {moment: ring.create("laptop", scopes=SCOPES, now=moment)[1] for moment in (moments[2], *moments[:2])}

    assert ring.list() == [made[moment] for moment in moments]


def test_a_key_is_not_among_the_videos_of_its_owner(table: InMemoryTable) -> None:
    # The index of videos holds whatever has an owner and an id.
    KeyStore(table).create("laptop", scopes=SCOPES, now=NOW, owner="studio")

    page = table.query_page("ByOwner", PageQuery(hash_name="owner", value="studio", range_name="id", limit=10))

    assert page.keys == ()


def test_a_revoked_key_is_unknown_at_once_and_stays_listed(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)
    another, left = ring.create("laptop", scopes=SCOPES, now=LATER, owner=api_key.owner)

    revoked = ring.revoke(api_key.key_id, now=LATER)

    assert ring.find(secret) is None
    assert ring.find(another) == left
    assert ring.list() == [revoked, left]
    assert revoked == api_key.model_copy(update={"revoked_at": LATER, "version": 2})
    assert ring.revoke(api_key.key_id, now=LATER + timedelta(days=1)) == revoked


def test_two_who_revoke_a_key_at_once_both_see_it_revoked_by_the_first() -> None:
    class Race(InMemoryTable):
        """A table in which another writer always comes first."""

        def commit(self, changes: Sequence[Change]) -> None:
            first, second = changes
            if isinstance(first, Replace) and isinstance(second, Replace) and isinstance(first.record, ApiKey):
                earlier = first.record.model_copy(update={"revoked_at": NOW})
                listed = ListedKey(api_key=earlier, version=earlier.version)
                super().commit([Replace(earlier, first.expected_version), Replace(listed, second.expected_version)])
            super().commit(changes)

    ring = KeyStore(Race())
    _, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)

    assert ring.revoke(api_key.key_id, now=LATER).revoked_at == NOW
    assert [listed.revoked_at for listed in ring.list()] == [NOW]


def test_a_key_that_is_not_there_cannot_be_revoked_and_is_not_repeated(table: InMemoryTable) -> None:
    ring = KeyStore(table)
    secret, _ = ring.create("laptop", scopes=SCOPES, now=NOW)

    with pytest.raises(NotFound, match=r"There is no key with that id\.") as caught:
        ring.revoke(secret, now=LATER)

    assert secret not in str(caught.value)
    assert ring.find(secret) is not None


@pytest.mark.parametrize(
    "changes",
    [
        *({"owner": owner} for owner in ("ann@example.com", "a.b-c_d", "x" * 64)),
        *(
            {"webhook_url": url}
            for url in ("https://hooks.example", "https://hooks.example:8443/v?stack=a&token=b%20c")
        ),
    ],
)
def test_an_owner_is_a_word_and_a_webhook_an_https_url(changes: dict[str, str]) -> None:
    assert changes.items() <= an_api_key(**changes).model_dump().items()


# An owner must not run into others' records or the log, and a list must be able to show a name.
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        *(
            ({"accounts": (account,)}, "as instagram:807")
            for account in ("instagram", ":807", "I:807", "instagram:8\n")
        ),
        ({"accounts": ("x:" + "1" * 65,)}, "as instagram:807"),
        ({"accounts": ()}, "accounts"),
        ({"scopes": (Scope.ADMIN,), "accounts": ("instagram:807",)}, "may post to every account"),
        *(({"owner": owner}, "an owner has 1 to 64") for owner in ("", "a#b", "-a", "ü", "a\n", "x" * 65)),
        *(({"name": name}, "a name has 1 to 100") for name in ("  ", "x" * 101, "\x1b[31mred", "a\u202eb")),
        *(
            ({"webhook_url": url}, "a webhook's URL is https")
            for url in (
                *("http://hooks.example/", "https:///path", "https://user@hooks.example/", "https://hooks.example/#x"),
                *("https://hooks.example/\n", "https://hooks.example:0/", "https://hööks.example/"),
                "https://hooks.example/" + "x" * 2_000,
            )
        ),
        ({"scopes": ()}, "scopes"),
        ({"daily_budget_micros": 0}, "daily_budget_micros"),
        ({"rate_per_minute": 0}, "rate_per_minute"),
    ],
)
def test_what_a_key_may_not_have_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        an_api_key(**changes)
