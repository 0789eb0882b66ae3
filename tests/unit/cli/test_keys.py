"""`mediaposter keys`: a key is shown once, with what it may do and how it is used; it is listed and revoked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from mediaposter.cli.session import STUDIO_KEY
from mediaposter.host.database import Database
from mediaposter.host.folder import DATABASE_FILE
from mediaposter.host.table import SqliteTable
from mediaposter.stores.keys import ApiKey, KeyStore, Scope
from tests.builders import NOW
from tests.unit.cli.stack import Run, StackInMemory


def read_secret(out: str) -> str:
    """Find the key that was shown."""
    (secret,) = set(re.findall(r"mp_[A-Za-z0-9_-]{43}", out))
    return str(secret)


def keep_key(stack: StackInMemory, name: str = "laptop", **fields: Any) -> ApiKey:
    return stack.keys.create(name, scopes=(Scope.READ,), now=NOW, **fields)[1]


class TestCreate:
    def test_a_key_is_shown_once_with_how_to_use_it_and_is_in_no_log(
        self, run: Run, stack: StackInMemory, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)

        outcome = run("keys", "create", "laptop")

        found = stack.keys.find(read_secret(outcome.out))
        assert found is not None
        assert (found.name, found.scopes, found.created_at) == ("laptop", (Scope.READ, Scope.CREATE), NOW)
        assert (outcome.status, outcome.err) == (0, "")

    def test_what_it_may_do_is_told_and_kept(self, run: Run, stack: StackInMemory) -> None:
        little = run("keys", "create", "laptop").out
        assert "It may read what its owner has, make videos; without a daily budget, without a rate limit." in little
        assert "account" not in little
        everything = run(
            *("keys", "create", "laptop", "--scope", "admin", "--scope", "publish"),
            *("--daily-budget", "5.00", "--monthly-budget", "60", "--rate", "30"),
            *("--webhook-url", "https://hooks.example/videos", "--expires", "30d", "--owner", "studio"),
        ).out
        kept = max(stack.keys.list(), key=lambda api_key: api_key.rate_per_minute or 0)
        assert (kept.rate_per_minute, kept.webhook_url) == (30, "https://hooks.example/videos")
        assert (kept.daily_budget_micros, kept.monthly_budget_micros) == (5_000_000, 60_000_000)
        assert "It expires at 2026-12-31 12:00 UTC." in everything
        assert "of the owner studio." in everything
        assert (
            "It may post them, do everything, for every owner; up to $5.00 on a UTC day, up to $60.00 in a UTC month, "
            "up to 30 times" in everything
        )
        assert "It may post to all accounts that are connected; --account limits a key to some." in everything
        assert "go to https://hooks.example/videos." in everything

    def test_a_key_gets_the_scopes_that_were_named_and_no_more(self, run: Run, stack: StackInMemory) -> None:
        run("keys", "create", "laptop", "--scope", "publish", "--scope", "read", "--scope", "read")

        assert stack.keys.list()[0].scopes == (Scope.READ, Scope.PUBLISH)

    def test_a_key_is_limited_to_the_accounts_that_were_named(self, run: Run, stack: StackInMemory) -> None:
        outcome = run(
            *("keys", "create", "laptop", "--scope", "publish", "--account", "instagram:807"),
            *("--account", "twitter:101", "--account", "instagram:807"),
        )

        assert stack.keys.list()[0].accounts == ("instagram:807", "twitter:101")
        assert "It may post to instagram:807, twitter:101, and to no other account." in outcome.out

    @pytest.mark.parametrize(
        ("when", "expires_at"),
        [
            ("45m", NOW + timedelta(minutes=45)),
            ("12h", NOW + timedelta(hours=12)),
            ("2w", NOW + timedelta(weeks=2)),
            ("2027-01-31T18:00:00+02:00", datetime(2027, 1, 31, 16, tzinfo=UTC)),
            ("2027-01-31T18:00", datetime(2027, 1, 31, 18, tzinfo=UTC)),
            ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ],
    )
    def test_a_key_ends_after_a_time_or_at_one(
        self, run: Run, stack: StackInMemory, when: str, expires_at: datetime
    ) -> None:
        run("keys", "create", "laptop", "--expires", when)

        assert stack.keys.list()[0].expires_at == expires_at

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--scope", "publish", "--account", "instagram:807"),
            ("--expires", "30d"),
            ("--scope", "approve"),
            ("--monthly-budget", "20"),
        ],
        ids=["accounts", "expiry", "approve", "monthly budget"],
    )
    def test_a_stack_that_would_not_keep_to_a_restriction_gets_no_such_key(
        self, run: Run, stack: StackInMemory, arguments: tuple[str, ...]
    ) -> None:
        stack.knows_key_restrictions = stack.knows_monthly_budgets = False

        outcome = run("keys", "create", "laptop", *arguments)

        assert (outcome.status, outcome.out) == (1, "")
        assert "Update it first" in outcome.err
        assert stack.keys.list() == []

    @pytest.mark.parametrize(
        ("argument", "sentence"),
        [
            (("--scope", "everything"), "Invalid value for '--scope': 'everything' is not one of"),
            *(
                (("--daily-budget", text), "Invalid value for '--daily-budget': an amount is in dollars and more than")
                for text in ("five", "0", "1e9", "0.0000001", "1234567890", "\u0665")
            ),
            (("--rate", "0"), "Invalid value for '--rate': a count is a whole number above zero"),
            (("--scope=publish", "--account", "instagram"), "Invalid value for '--account': an account is a network"),
            (("--scope=publish", "--account", "x:1"), "'--account': there is no network x; there are twitter"),
            (("--account", "instagram:807"), "'--account': without --scope publish or --scope approve"),
            (("--scope", "admin", "--account", "instagram:807"), "may post to every account: leave out its accounts"),
            (
                ("--scope=publish", *(f"--account=instagram:{number}" for number in range(1_000, 1_300))),
                "the accounts of a key have 3,000 characters at most",
            ),
            (("--expires", "0h"), "Invalid value for '--expires': it is said as 30m, 12h, 7d"),
            (("--expires", "3651d"), "Invalid value for '--expires': a key lives for 3650 days at most"),
            (("--expires", "2026-12-01T11:59:59Z"), "Invalid value for '--expires': 2026-12-01 11:59 UTC is over"),
            (("--expires", "2026-13-01"), "Invalid value for '--expires': '2026-13-01' is no time"),
            (("--owner", "a#b"), "Invalid value for '--owner': an owner has 1 to 64 letters"),
            (("--webhook-url", "https://[hooks"), "Invalid value for '--webhook-url': "),
            (("\x1b[31m",), "Invalid value for 'NAME': a name has 1 to 100 characters"),
            ((STUDIO_KEY,), "Invalid value for 'NAME': names that begin with"),
        ],
    )
    def test_what_makes_no_sense_is_refused_in_a_sentence_and_makes_no_key(
        self, run: Run, stack: StackInMemory, argument: tuple[str, ...], sentence: str
    ) -> None:
        outcome = run("keys", "create", *(argument if len(argument) == 1 else ("laptop", *argument)))

        assert (outcome.status, outcome.out) == (2, "")
        assert sentence in outcome.err
        assert outcome.err.startswith("mediaposter keys create: ")
        assert outcome.err.count("\n") == 1
        assert stack.looked_for == []

    def test_the_stack_is_the_one_that_was_named(self, run: Run, stack: StackInMemory) -> None:
        run("keys", "create", "laptop")
        run("keys", "create", "laptop", "--stack", "other", "--endpoint-url", "http://127.0.0.1:4566")

        assert stack.looked_for == [("mediaposter", None), ("other", "http://127.0.0.1:4566")]


class TestList:
    def test_keys_are_listed_with_all_but_the_key(self, run: Run, stack: StackInMemory) -> None:
        api_key = keep_key(
            stack,
            owner="studio",
            accounts=("instagram:807",),
            expires_at=NOW + timedelta(days=30),
            daily_budget_micros=5_250_000,
            monthly_budget_micros=60_500_000,
            rate_per_minute=30,
            webhook_url="https://hooks.example/",
        )

        outcome = run("keys", "list")

        title, line = outcome.out.splitlines()
        assert title.split()[:5] == ["KEY_ID", "name", "owner", "scopes", "accounts"]
        assert title.split()[-4:] == ["made", "expires", "revoked", "webhook"]
        assert line.split() == [
            *(api_key.key_id, "laptop", "studio", "read", "instagram:807", "5.25", "60.50", "30", "2026-12-01"),
            "2026-12-31T12:00Z",
            "https://hooks.example/",
        ]
        assert api_key.key_hash not in outcome.out

    def test_a_name_is_shown_as_it_is(self, run: Run, stack: StackInMemory) -> None:
        keep_key(stack, "[red]a[/] :smile: [")

        assert "[red]a[/] :smile: [" in run("keys", "list").out

    def test_a_stack_without_keys_says_how_to_make_one(self, run: Run) -> None:
        assert json.loads(run("keys", "list", "--json").out) == []
        assert run("keys", "list").out == "mediaposter has no keys yet. mediaposter keys create NAME makes one.\n"

    def test_a_list_fits_80_columns_with_whole_ids(
        self, run: Run, stack: StackInMemory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("FORCE_COLOR", "1")
        made = keep_key(stack, "A key with a long name", expires_at=NOW + timedelta(days=1), owner="o" * 40)

        lines = [Text.from_ansi(line).plain for line in run("keys", "list").out.splitlines()]

        assert max(map(len, lines)) <= 80
        assert lines[1].startswith(made.key_id)

    def test_keys_of_the_studio_that_ended_are_only_counted(self, run: Run, stack: StackInMemory) -> None:
        ended, lasting = (keep_key(stack, STUDIO_KEY, expires_at=NOW + timedelta(hours=hours)) for hours in (-1, 1))
        of_a_person = keep_key(stack, "studio", expires_at=NOW - timedelta(hours=1))

        outcome = run("keys", "list")

        assert ended.key_id not in outcome.out
        assert lasting.key_id in outcome.out
        assert of_a_person.key_id in outcome.out
        assert "1 key of the studio that ended" in outcome.err

    def test_keys_are_listed_as_json_for_scripts(self, run: Run, stack: StackInMemory) -> None:
        limited = keep_key(stack, owner="studio", daily_budget_micros=5_000_001, rate_per_minute=30)
        unlimited = keep_key(stack, "phone")
        stack.keys.revoke(unlimited.key_id, now=NOW)

        lines = {line["id"]: line for line in json.loads(run("keys", "list", "--json").out)}

        assert lines[limited.key_id] == {
            "id": limited.key_id,
            "name": "laptop",
            "owner": "studio",
            "scopes": ["read"],
            "accounts": None,
            "daily_budget_usd": "5.000001",
            "monthly_budget_usd": None,
            "rate_per_minute": 30,
            "webhook_url": None,
            "created_at": "2026-12-01T12:00:00Z",
            "expires_at": None,
            "revoked_at": None,
        }
        assert lines[unlimited.key_id]["daily_budget_usd"] is None
        assert lines[unlimited.key_id]["revoked_at"] == "2026-12-01T12:00:00Z"


class TestRevoke:
    def test_a_key_is_revoked(self, run: Run, stack: StackInMemory) -> None:
        secret, api_key = stack.keys.create("laptop", scopes=(Scope.READ,), now=NOW)

        outcome = run("keys", "revoke", api_key.key_id)

        assert stack.keys.find(secret) is None
        assert outcome.status == 0
        assert f"{api_key.key_id} (laptop) is revoked since 2026-12-01 12:00 UTC." in outcome.out
        assert "API Gateway caches its decision for up to 5 minutes" in outcome.out
        assert "aws apigateway flush-stage-authorizers-cache --rest-api-id abc123 --stage-name v1\n" in outcome.out

    def test_a_key_that_is_not_there_is_told_and_not_repeated(self, run: Run) -> None:
        outcome = run("keys", "revoke", "mp_pasted-by-mistake")

        assert outcome == (
            1,
            "",
            "mediaposter has no key with that id. mediaposter keys list shows those it has.\n",
        )


class TestOnTheHost:
    """`--data DIR` is the folder of a host, which has its file open meanwhile."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Iterator[KeyStore]:
        with closing(Database(tmp_path / DATABASE_FILE)) as database:
            yield KeyStore(SqliteTable(database), clock=lambda: NOW)

    def test_a_running_host_knows_a_key_at_once_and_a_revoked_one_no_more(
        self, run: Run, tmp_path: Path, keys: KeyStore
    ) -> None:
        made = run("keys", "create", "phone", "--scope", "read", "--daily-budget", "0.50", "--data", str(tmp_path))

        secret = read_secret(made.out)
        found = keys.find(secret)
        assert found is not None
        assert (found.name, found.scopes, found.daily_budget_micros) == ("phone", (Scope.READ,), 500_000)
        assert "OPENAI_BASE_URL=http://127.0.0.1:4600/v1\n" in made.out
        (line,) = json.loads(run("keys", "list", "--json", "--data", str(tmp_path)).out)
        assert line["id"] == found.key_id

        revoked = run("keys", "revoke", found.key_id, "--data", str(tmp_path))

        assert keys.find(secret) is None
        assert "The host refuses it from now on." in revoked.out
        assert "API Gateway" not in revoked.out

    def test_a_key_that_the_host_does_not_have_is_told(self, run: Run, tmp_path: Path, keys: KeyStore) -> None:
        outcome = run("keys", "revoke", "key_1", "--data", str(tmp_path))

        assert (outcome.status, keys.list()) == (1, [])
        assert outcome.err.startswith(f"{tmp_path} has no key with that id.")
