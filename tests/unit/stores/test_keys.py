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


def test_a_key_may_post_to_all_accounts_for_ever_unless_it_is_said_otherwise(table: InMemoryTable) -> None:
    ring = KeyStore(table, clock=lambda: NOW + timedelta(days=10_000))

    secret, _ = ring.create("laptop", scopes=SCOPES, now=NOW)

    found = ring.find(secret)
    assert found is not None
    assert (found.accounts, found.expires_at) == (None, None)
    assert (found.daily_budget_micros, found.rate_per_minute, found.webhook_url) == (None, None, None)


def test_a_key_that_may_publish_may_approve_only_if_that_is_said(table: InMemoryTable) -> None:
    ring = KeyStore(table)

    secret, _ = ring.create("laptop", scopes=(Scope.PUBLISH,), now=NOW)

    found = ring.find(secret)
    assert found is not None
    assert found.scopes == (Scope.PUBLISH,)
    assert [listed.scopes for listed in ring.list()] == [(Scope.PUBLISH,)]


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


@pytest.mark.parametrize(
    "account",
    ["instagram", ":807", "Instagram:807", "instagram:807\n", "x:" + "1" * 65],
)
def test_an_account_is_a_network_and_an_id(account: str) -> None:
    with pytest.raises(ValidationError, match="as instagram:807"):
        an_api_key(accounts=(account,))


def test_a_key_with_no_account_at_all_is_refused() -> None:
    with pytest.raises(ValidationError):
        an_api_key(accounts=())


def test_an_admin_is_not_limited_to_accounts() -> None:
    with pytest.raises(ValidationError, match="may post to every account"):
        an_api_key(scopes=(Scope.ADMIN,), accounts=("instagram:807",))


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


def test_keys_begin_with_their_prefix_and_are_long_and_different() -> None:
    ring = KeyStore(InMemoryTable())

    secrets = {ring.create("laptop", scopes=SCOPES, now=NOW)[0] for _ in range(10)}

    assert len(secrets) == 10
    assert all(secret.startswith("mp_") and len(secret) >= 40 for secret in secrets)


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


def test_keys_are_listed_from_one_partition() -> None:
    table = InMemoryTable()
    _, api_key = KeyStore(table).create("laptop", scopes=SCOPES, now=NOW)

    assert set(table.items) == {
        Key(f"KEY#{api_key.key_hash}", "KEY"),
        Key("KEYS", f"2026-12-01T12:00:00.000000Z#{api_key.key_id}"),
    }


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


@pytest.mark.parametrize("owner", ["ann@example.com", "a.b-c_d", "x" * 64])
def test_an_owner_is_a_word(owner: str) -> None:
    assert an_api_key(owner=owner).owner == owner


@pytest.mark.parametrize("owner", ["", "a#b", "-a", "ü", "a\n", "x" * 65])
def test_an_owner_that_would_run_into_others_records_or_the_log_is_refused(owner: str) -> None:
    with pytest.raises(ValidationError, match="an owner has 1 to 64"):
        an_api_key(owner=owner)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https:///path",
        "https://user@hooks.example/",
        "https://hooks.example/#here",
        "https://hooks.example/\n",
        "https://hooks.example:0/",
        "https://hööks.example/",
        "https://hooks.example/" + "x" * 2_000,
    ],
)
def test_a_webhook_that_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="a webhook's URL is https"):
        an_api_key(webhook_url=url)


@pytest.mark.parametrize("url", ["https://hooks.example", "https://hooks.example:8443/videos?stack=a&token=b%20c"])
def test_a_webhook_is_an_https_url(url: str) -> None:
    assert an_api_key(webhook_url=url).webhook_url == url


@pytest.mark.parametrize("name", ["  ", "x" * 101, "\x1b[31mred", "a\u202eb"])
def test_a_name_that_a_list_could_not_show_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="a name has 1 to 100"):
        an_api_key(name=name)


@pytest.mark.parametrize("changes", [{"scopes": ()}, {"daily_budget_micros": 0}, {"rate_per_minute": 0}])
def test_a_key_that_could_do_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        an_api_key(**changes)
