"""What a key is told of itself."""

from __future__ import annotations

from mediaposter.stores.keys import Scope
from mediaposter.wire.key_object import present_key
from tests.builders import NOW, a_caller


def test_a_key_learns_what_it_may_do_and_until_when() -> None:
    caller = a_caller(
        key="key_2",
        key_name="phone",
        key_hash="0" * 64,
        owner="ann",
        scopes=frozenset({Scope.APPROVE, Scope.READ}),
        accounts=frozenset({"twitter:101", "instagram:807"}),
        key_expires_at=NOW,
    )

    assert present_key(caller).model_dump(mode="json") == {
        "object": "key",
        "id": "key_2",
        "name": "phone",
        "owner": "ann",
        "scopes": ["read", "approve"],
        "accounts": ["instagram:807", "twitter:101"],
        "expires_at": int(NOW.timestamp()),
    }


def test_the_accounts_of_an_admin_are_all() -> None:
    caller = a_caller(scopes=frozenset({Scope.ADMIN}), accounts=frozenset({"twitter:101"}))

    assert present_key(caller).accounts is None
