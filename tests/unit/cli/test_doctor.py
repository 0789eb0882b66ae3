"""`mediaposter doctor`, `usage` and `secrets set`."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import httpx
import pytest

from mediaposter.domain.errors import ConfigurationError
from tests.unit.cli.fake_api import BASE_URL, FakeApi, refuse, reply
from tests.unit.cli.stack import Run


class Secrets(dict[str, str]):
    """The secrets of a stack, which says which one is missing."""

    def __missing__(self, name: str) -> str:
        raise ConfigurationError(f"The secret {name} is missing.")


SECRET = "AIza-secret.1"
MODELS = {"data": [{"id": "sora-2", "owned_by": "gemini", "alias_of": "gemini-omni-1.2-flash"}]}
ACCOUNTS = {"data": [{"id": "907", "platform": "instagram", "name": "Ann", "username": "ann"}]}


def read_states(out: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(out)["checks"]}


def run_host(api: FakeApi, env_file: Path) -> None:
    api.folder.mkdir()
    address = {"base_url": BASE_URL, "api_key": "mp_host", "env_file": str(env_file)}
    (api.folder / "host.json").write_text(json.dumps(address))


class TestDoctor:
    def test_a_stack_that_has_all_is_ok(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/usage", reply({}))
        api.on("GET", "/key", reply({"scopes": ["read", "create"], "expires_at": None}))
        api.on("GET", "/models", reply(MODELS))
        api.on("GET", "/accounts", reply(ACCOUNTS))

        outcome = ask("doctor")

        assert outcome.status == 0
        assert "It may: read, create." in outcome.out
        assert "sora-2 leads to gemini-omni-1.2-flash" in outcome.out
        assert "instagram:907" in outcome.out

    def test_an_older_stack_misses_what_it_does_not_know(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/usage", reply({}))

        outcome = ask("doctor", "--json")

        assert (outcome.status, json.loads(outcome.out)["ok"]) == (0, True)
        assert read_states(outcome.out) == {
            "stack": "ok", "key": "missing", "models": "missing", "accounts": "missing"
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            (refuse(401, "There is no such key.", code="invalid_api_key"), "There is no such key."),
            (httpx.ConnectError("Connection refused"), "does not answer"),
        ],
    )
    def test_a_stack_that_cannot_be_used_is_1(
        self, ask: Run, api: FakeApi, answer: httpx.Response | Exception, sentence: str
    ) -> None:
        api.on("GET", "/usage", answer)

        outcome = ask("doctor")

        assert outcome.status == 1
        assert sentence in outcome.out

    def test_without_a_stack_the_ways_to_one_are_named(self, ask: Run, api: FakeApi) -> None:
        api.environ = {}

        outcome = ask("doctor")

        assert outcome.status == 1
        assert "Start one here with mediaposter up" in outcome.out

    def test_the_keys_of_the_host_are_found_and_never_shown(self, ask: Run, api: FakeApi, tmp_path: Path) -> None:
        (tmp_path / "host.env").write_text(f"GEMINI_API_KEY={SECRET}\n")
        run_host(api, tmp_path / "host.env")
        api.environ = {}
        api.on("GET", "/usage", reply({}))

        outcome = ask("doctor", "--json")

        states = read_states(outcome.out)
        assert (states["gemini"], states["fal"], states["blotato"]) == ("ok", "optional", "optional")
        assert SECRET not in outcome.out + outcome.err

    def test_a_key_for_a_sandbox_that_works_is_optional(self, ask: Run, api: FakeApi) -> None:
        api.on("GET", "/usage", reply({}))
        api.on("GET", "/models", reply({"data": [{"id": "sandbox-1", "owned_by": "sandbox"}]}))

        assert read_states(ask("doctor", "--json").out)["models"] == "optional"

    def test_the_secrets_of_a_stack_are_found_and_never_shown(self, ask: Run, api: FakeApi) -> None:
        api.stack.secrets = Secrets({"providers/gemini-api-key": SECRET})
        api.environ = {}

        outcome = ask("doctor", "--stack", "studio", "--json")

        states = read_states(outcome.out)
        assert (states["providers/gemini-api-key"], states["blotato-api-key"]) == ("ok", "missing")
        assert SECRET not in outcome.out


class TestUsage:
    def test_the_day_and_the_models_are_shown(self, ask: Run, api: FakeApi) -> None:
        day = {"day": "2026-11-23", "model": "gen4.5", "videos": 1, "cost_usd": "0.60"}
        amounts = {"spent_usd": "0.60", "promised_usd": "1.20", "videos": 3, "limit_usd": "20", "left_usd": "18.20"}
        api.on(
            "GET",
            "/usage",
            reply({"today": "2026-11-23", "renews_at": "2026-11-24T00:00:00Z", **amounts, "days": [day]}),
        )

        out = ask("usage", "--since", "2026-11-01").out

        assert "3 videos, $0.60 spent, of $20; $18.20 is left" in out
        assert "$1.20 is reserved" in out
        assert out.splitlines()[-1].split() == ["2026-11-23", "gen4.5", "1", "$0.60"]
        assert dict(api.seen[0].url.params) == {"since": "2026-11-01"}

    def test_captions_have_a_column_if_any_were_written(self, ask: Run, api: FakeApi) -> None:
        days = [
            {"day": "2026-11-23", "model": "gen4.5", "videos": 1, "captions": 0, "cost_usd": "0.60"},
            {"day": "2026-11-23", "model": "words-1", "videos": 0, "captions": 2, "cost_usd": "0.003"},
        ]
        api.on("GET", "/usage", reply({"today": "2026-11-23", "renews_at": "2026-11-24T00:00:00Z", "days": days}))

        lines = ask("usage").out.splitlines()

        assert [line.split() for line in lines[-2:]] == [
            ["2026-11-23", "gen4.5", "1", "0", "$0.60"],
            ["2026-11-23", "words-1", "0", "2", "$0.003"],
        ]

    def test_what_is_no_day_is_refused(self, ask: Run, api: FakeApi) -> None:
        outcome = ask("usage", "--since", "yesterday")

        assert (outcome.status, api.seen) == (2, [])
        assert "a day is written as 2026-11-30" in outcome.err


class TestSecrets:
    @pytest.fixture(autouse=True)
    def pipe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))

    def test_a_key_goes_into_the_file_of_the_host_that_runs(self, ask: Run, api: FakeApi, tmp_path: Path) -> None:
        path = tmp_path / "host.env"
        path.write_text("# mine\nFAL_KEY=fal\nGEMINI_API_KEY=old\n")
        run_host(api, path)

        outcome = ask("secrets", "set", "GEMINI_API_KEY")

        assert path.read_text() == f"# mine\nFAL_KEY=fal\nGEMINI_API_KEY={SECRET}\n"
        assert SECRET not in outcome.out + outcome.err

    def test_a_new_file_is_for_this_user_alone(self, ask: Run, tmp_path: Path) -> None:
        assert ask("secrets", "set", "BLOTATO_API_KEY").status == 0

        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600

    def test_a_key_goes_into_the_parameter_of_a_stack(self, ask: Run, api: FakeApi, tmp_path: Path) -> None:
        outcome = ask("secrets", "set", "GOOGLE_API_KEY", "--stack", "studio")

        assert api.stack.secrets == {"providers/gemini-api-key": SECRET}
        assert "of the stack studio" in outcome.out
        assert not (tmp_path / ".env").exists()

    @pytest.mark.parametrize("stack", [(), ("--stack", "studio")])
    def test_a_name_that_is_not_read_is_refused_with_the_nearest(
        self, ask: Run, api: FakeApi, stack: tuple[str, ...]
    ) -> None:
        outcome = ask("secrets", "set", "GEMINI_KEY", *stack)

        assert outcome.status == 2
        assert "Did you mean GEMINI_API_KEY?" in outcome.err

    def test_what_is_no_key_changes_nothing(self, ask: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("two words\n"))

        outcome = ask("secrets", "set", "GEMINI_API_KEY")

        assert (outcome.status, list(tmp_path.iterdir())) == (1, [])
        assert "two words" not in outcome.err
