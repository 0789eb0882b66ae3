"""API keys: shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field, ValidationInfo, field_validator, model_validator

from mediaposter.domain.errors import NotFound, VersionConflict
from mediaposter.stores.table import Key, Record, Replace, Table

KEY_PREFIX = "mp_"
WEBHOOK_URL_MAX_CHARACTERS = 2_000
# An authorizer's answer may have 8 KB (API Gateway quotas for REST APIs), and a webhook URL may need half of it.
ACCOUNTS_MAX_CHARACTERS = 3_000
# From this version on `approve` is a separate scope.
SCOPES_VERSION = 2

_LISTED = "KEYS"
# A sort key and its prefix cannot be empty; every time begins with this digit until the year 3000.
_ANY_TIME = "2"


class Scope(StrEnum):
    """A permission of a key."""

    READ = "read"
    CREATE = "create"
    PUBLISH = "publish"
    APPROVE = "approve"
    ADMIN = "admin"


def check_name(name: str) -> str:
    """Refuse a name that a list of keys cannot show."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ValueError("a name has 1 to 100 characters that can be seen")
    return name


def check_owner(owner: str) -> str:
    """Refuse an owner that would collide with other records: `#` separates key parts, and `*` is the stack itself."""
    # The access log also writes it into JSON without escaping.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", owner):
        raise ValueError("an owner has 1 to 64 letters, digits and . _ @ -, and begins with a letter or a digit")
    return owner


def check_webhook_url(url: str) -> str:
    """Refuse a URL that is not https; whether its address is allowed is checked at delivery."""
    sentence = (
        f"a webhook's URL is https://…, of up to {WEBHOOK_URL_MAX_CHARACTERS} characters, without user or fragment"
    )
    if len(url) > WEBHOOK_URL_MAX_CHARACTERS or not re.fullmatch(r"https://[!-~]+", url) or "#" in url:
        raise ValueError(sentence)
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise ValueError(sentence)
    return url


def check_account(account: str) -> str:
    """Refuse a text that names no account of a network; whether it is connected is checked when a post is made."""
    if not re.fullmatch(r"[a-z]{1,20}:[A-Za-z0-9_-]{1,64}", account):
        raise ValueError("an account is a network and its id at Blotato with a colon between, as instagram:807")
    return account


def name_account(platform: str, account_id: str) -> str:
    """Write an account of a network as a key stores it."""
    return f"{platform}:{account_id}"  # guard: account of network


def write_accounts(accounts: Iterable[str]) -> str:
    """Write the accounts of a key as one text."""
    return " ".join(accounts)


def check_accounts(accounts: Sequence[str], scopes: Collection[Scope]) -> None:
    """Refuse accounts for a key that may post to all, and more accounts than an authorizer's answer can hold.

    Raises:
        ValueError: names the contradiction, or the limit.
    """
    if Scope.ADMIN in scopes:
        raise ValueError("a key with the scope admin may post to every account: leave out its accounts, or admin")
    characters = len(write_accounts(accounts))
    if characters > ACCOUNTS_MAX_CHARACTERS:
        raise ValueError(
            f"the accounts of a key have {ACCOUNTS_MAX_CHARACTERS:,} characters at most, written with a space between "
            f"them, and these have {characters:,}: give them to several keys of one owner"
        )


class ApiKeyFields(TypedDict, total=False):
    """The fields of `ApiKey` that change, with the same types: a key can only be revoked."""

    version: int
    revoked_at: AwareDatetime | None


class ApiKey(Record):
    """A key as it is stored: its identity and rights, never the secret.

    Several keys can have one owner, so that you can replace a key. Limits belong to the key, but everything its owner
    does counts toward them. The key may post to `accounts`, such as `instagram:807`; None is all accounts. From
    `expires_at` on the key is invalid.
    """

    key_hash: str
    owner: Annotated[str, AfterValidator(check_owner)]
    # Not `id`: the index ByOwner holds every item with an owner and an id, which must be videos only. The first keys
    # had only an owner, which was their id.
    key_id: str = Field(default_factory=lambda fields: fields["owner"])
    name: Annotated[str, AfterValidator(check_name)]
    # Keys made before `approve` was a scope have no version: they can still approve what they may publish.
    scopes_version: int = 1
    scopes: tuple[Scope, ...] = Field(min_length=1)
    accounts: Annotated[tuple[Annotated[str, AfterValidator(check_account)], ...], Field(min_length=1)] | None = None
    daily_budget_micros: int | None = Field(default=None, gt=0)
    monthly_budget_micros: int | None = Field(default=None, gt=0)
    rate_per_minute: int | None = Field(default=None, gt=0)
    webhook_url: Annotated[str, AfterValidator(check_webhook_url)] | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    def copy_with(self, **fields: Unpack[ApiKeyFields]) -> Self:
        return self.model_copy(update=fields)

    @field_validator("scopes", mode="after")
    @classmethod
    def _add_approve(cls, scopes: tuple[Scope, ...], info: ValidationInfo) -> tuple[Scope, ...]:
        is_older = info.data.get("scopes_version", SCOPES_VERSION) < SCOPES_VERSION
        if is_older and Scope.PUBLISH in scopes and Scope.APPROVE not in scopes:
            return (*scopes, Scope.APPROVE)
        return scopes

    @model_validator(mode="after")
    def _check_accounts(self) -> Self:
        if self.accounts is not None:
            check_accounts(self.accounts, self.scopes)
        return self

    @property
    def key(self) -> Key:
        return _key_of(self.key_hash)

    def is_valid(self, *, now: datetime) -> bool:
        """Tell whether it is valid at a time: neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ListedKey(Record):
    """A copy of a key in one partition, to list all keys. Every transaction that writes the key writes the copy."""

    api_key: ApiKey

    @property
    def key(self) -> Key:
        made_at = self.api_key.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return Key(_LISTED, f"{made_at}#{self.api_key.key_id}")


def _tell_time() -> datetime:
    return datetime.now(UTC)


class KeyStore:
    """Makes, finds, lists and revokes keys."""

    def __init__(self, table: Table, *, clock: Callable[[], datetime] = _tell_time) -> None:
        self._table = table
        self._clock = clock

    def create(
        self,
        name: str,
        *,
        scopes: tuple[Scope, ...],
        now: datetime,
        owner: str | None = None,
        accounts: tuple[str, ...] | None = None,
        expires_at: datetime | None = None,
        daily_budget_micros: int | None = None,
        monthly_budget_micros: int | None = None,
        rate_per_minute: int | None = None,
        webhook_url: str | None = None,
    ) -> tuple[str, ApiKey]:
        """Make a key and store its hash; only this call returns the key itself.

        Without an owner it gets a new one, and sees only its own videos. Without accounts it may post to all.
        """
        secret = KEY_PREFIX + secrets.token_urlsafe(32)
        key_id = f"key_{secrets.token_hex(8)}"
        api_key = ApiKey(
            key_hash=_hash(secret),
            owner=key_id if owner is None else owner,
            key_id=key_id,
            name=name,
            scopes_version=SCOPES_VERSION,
            scopes=scopes,
            accounts=accounts,
            expires_at=expires_at,
            daily_budget_micros=daily_budget_micros,
            monthly_budget_micros=monthly_budget_micros,
            rate_per_minute=rate_per_minute,
            webhook_url=webhook_url,
            created_at=now,
        )
        self._table.create([api_key, ListedKey(api_key=api_key)])
        return secret, api_key

    def find(self, secret: str) -> ApiKey | None:
        """Find the key that was shown as `secret`, unless it was revoked or has expired."""
        # 256 random bits cannot be guessed, so a fast hash is enough.
        return self.find_by_hash(_hash(secret))

    def find_by_hash(self, key_hash: str) -> ApiKey | None:
        """Find the current state of a key, unless it was revoked or has expired."""
        try:
            found = ApiKey.model_validate(self._table.get(_key_of(key_hash)))
        except NotFound:
            return None
        return found if found.is_valid(now=self._clock()) else None

    def list(self) -> list[ApiKey]:
        """List all keys, oldest first, revoked ones included."""
        items = self._table.query_prefix(_LISTED, _ANY_TIME)
        return [ListedKey.model_validate(item).api_key for item in items]

    def revoke(self, key_id: str, *, now: datetime) -> ApiKey:
        """Revoke a key permanently: `find` no longer returns it. Revoking a revoked key changes nothing.

        Raises:
            NotFound: there is no such key.
        """
        api_key = self._read(key_id)
        if api_key.revoked_at is not None:
            return api_key
        version = api_key.version + 1
        revoked = api_key.copy_with(revoked_at=now, version=version)
        try:
            self._table.commit(
                [
                    Replace(revoked, api_key.version),
                    Replace(ListedKey(api_key=revoked, version=version), api_key.version),
                ]
            )
        except VersionConflict:
            # Only a revocation changes a key, so another revocation came first.
            return self._read(key_id)
        return revoked

    def _read(self, key_id: str) -> ApiKey:
        for api_key in self.list():
            if api_key.key_id == key_id:
                return api_key
        # You may pass the key itself by mistake: it must not appear in a log.
        raise NotFound("There is no key with that id.")


def _key_of(key_hash: str) -> Key:
    return Key(f"KEY#{key_hash}", "KEY")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
