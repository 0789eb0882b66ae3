"""API keys: shown once, kept as a hash."""

from __future__ import annotations

import hashlib

from mediaposter.library.keys import KeyRing, Scope
from tests.builders import NOW
from tests.fakes.table import InMemoryTable

SCOPES = (Scope.READ, Scope.CREATE)


def test_a_key_is_found_by_what_was_shown() -> None:
    ring = KeyRing(InMemoryTable())

    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)

    assert ring.find(secret) == api_key
    assert (api_key.name, api_key.scopes, api_key.created_at) == ("laptop", SCOPES, NOW)


def test_the_key_itself_is_kept_nowhere() -> None:
    table = InMemoryTable()

    secret, api_key = KeyRing(table).create("laptop", scopes=SCOPES, now=NOW)

    assert secret not in repr(table.items)
    assert secret not in repr(api_key)
    assert api_key.key_hash == hashlib.sha256(secret.encode()).hexdigest()


def test_keys_begin_with_their_prefix_and_are_long_and_different() -> None:
    ring = KeyRing(InMemoryTable())

    secrets = {ring.create("laptop", scopes=SCOPES, now=NOW)[0] for _ in range(10)}

    assert len(secrets) == 10
    assert all(secret.startswith("mp_") and len(secret) >= 40 for secret in secrets)


def test_each_key_is_an_owner_of_its_own_that_does_not_give_it_away() -> None:
    ring = KeyRing(InMemoryTable())

    first, second = (ring.create("laptop", scopes=SCOPES, now=NOW) for _ in range(2))

    assert first[1].owner != second[1].owner
    assert first[1].owner not in first[0]


def test_a_key_that_was_never_made_is_not_found() -> None:
    ring = KeyRing(InMemoryTable())
    secret, _ = ring.create("laptop", scopes=SCOPES, now=NOW)

    assert ring.find("mp_nothing") is None
    assert ring.find(secret + "x") is None


def test_a_revoked_key_is_not_found() -> None:
    table = InMemoryTable()
    ring = KeyRing(table)
    secret, api_key = ring.create("laptop", scopes=SCOPES, now=NOW)
    revoked = api_key.model_copy(update={"revoked_at": NOW, "version": 2})

    table.replace(revoked, expected_version=1, allowed={})

    assert ring.find(secret) is None
