"""Which variables open which provider, and which lead nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaposter.ai.provider_accounts import PROVIDER_ACCOUNTS
from mediaposter.domain.errors import ConfigurationError
from mediaposter.host.environment import HostEnvironment, read_environment


def read(**variables: str) -> HostEnvironment:
    return read_environment(variables, None)[0]


@pytest.mark.parametrize(
    ("variable", "account", "providers"),
    [
        ("GEMINI_API_KEY", "gemini", ["gemini"]),
        ("FAL_KEY", "fal", ["fal", "pika"]),
        ("PIKA_API_KEY", "fal", ["fal", "pika"]),
        ("RUNWAY_API_KEY", "runway", ["runway"]),
        ("BLOTATO_API_KEY", "blotato", []),
    ],
)
def test_a_key_opens_its_providers_and_no_other(variable: str, account: str, providers: list[str]) -> None:
    environment = read(**{variable: "a-key"})

    assert (environment.find_key(account), environment.list_providers()) == ("a-key", providers)


def test_every_variable_that_a_person_is_told_of_opens_its_account() -> None:
    addresses = {"BEDROCK_BASE_URL": "s3://bucket/renders"}
    for account in PROVIDER_ACCOUNTS:
        for variable in account.variables:
            value = addresses.get(variable, "https://server.example/v1")

            assert read(**{variable: value}).list_providers() == list(account.providers), variable


@pytest.mark.parametrize("variables", [{}, {"OPENAI_API_KEY": "sk"}, {"SORA_API_KEY": "sk"}])
def test_without_an_address_no_server_of_your_own_is_offered(variables: dict[str, str]) -> None:
    environment = read(**variables)

    assert (environment.find_key("sora"), environment.list_providers()) == (None, [])


@pytest.mark.parametrize("address", ["http://localhost:4600/v1", "https://api.openai.com/v1"])
def test_where_clients_of_this_host_go_is_no_provider(address: str) -> None:
    variables = {"OPENAI_API_KEY": "mp_key", "OPENAI_BASE_URL": address}

    environment, _ = read_environment(variables, None, own_url="http://127.0.0.1:4600")

    assert environment.list_providers() == []


def test_the_address_of_openai_itself_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="SORA_BASE_URL leads to OpenAI, which renders no videos any more"):
        read(SORA_BASE_URL="https://API.openai.com/v1")


@pytest.mark.parametrize(
    ("keys", "key"), [({}, "none"), ({"OPENAI_API_KEY": "sk"}, "sk"), ({"SORA_API_KEY": "s"}, "s")]
)
def test_a_server_of_your_own_may_need_a_key_or_none(keys: dict[str, str], key: str) -> None:
    environment = read(SORA_BASE_URL="http://127.0.0.1:9000/v1", **keys)

    assert (environment.find_key("sora"), environment.list_providers()) == (key, ["sora"])


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_is_not_set(empty: str) -> None:
    environment, settings = read_environment(
        {"GEMINI_API_KEY": empty, "GOOGLE_API_KEY": "a-key", "FAL_KEY": empty, "BLOTATO_API_KEY": empty,
         "SORA_BASE_URL": empty, "BLOTATO_BASE_URL": empty, "INBOX_OWNER": empty}, None,
    )  # fmt: skip

    assert environment.find_key("gemini") == "a-key"
    assert environment.list_providers() == ["gemini"]
    assert environment.blotato_api_key is None
    assert (settings.blotato_base_url, settings.inbox_owner) == ("https://backend.blotato.com/v2", "local")


def test_the_first_name_of_a_key_counts_and_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("GEMINI_API_KEY=of-the-file\nGOOGLE_API_KEY=second\nRUNWAY_API_KEY=of-the-file\n")

    environment, _ = read_environment({"GEMINI_API_KEY": "of-the-shell"}, env_file)

    assert (environment.find_key("gemini"), environment.find_key("runway")) == ("of-the-shell", "of-the-file")


def test_the_files_of_a_server_of_your_own_may_come_from_it_and_no_further() -> None:
    _, settings = read_environment(
        {"SORA_BASE_URL": "http://127.0.0.1:9000/v1", "BEDROCK_BASE_URL": "s3://bucket/renders",
         "FAL_BASE_URL": "https://fal.example/a/b", "PROVIDER_BASE_URLS": "fal-files=https://files.example"}, None,
    )  # fmt: skip

    assert settings.provider_base_urls == {
        "sora": "http://127.0.0.1:9000/v1",
        "sora-files": "http://127.0.0.1:9000",
        "bedrock": "s3://bucket/renders",
        "fal": "https://fal.example/a/b",
        "fal-files": "https://files.example",
    }


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SORA_BASE_URL", "localhost:9000/hunter2"),
        ("SORA_BASE_URL", "/hunter2"),
        ("FAL_BASE_URL", "ftp://hunter2.example"),
        ("GEMINI_BASE_URL", "http://[::hunter2"),
        ("BLOTATO_BASE_URL", "https:///hunter2"),
        ("BEDROCK_BASE_URL", "https://hunter2.example"),
    ],
)
def test_an_address_that_is_none_is_refused_by_its_name_and_not_shown(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable} is no address such as ") as refusal:
        read(**{variable: value})

    assert "hunter2" not in str(refusal.value)


def test_a_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(ConfigurationError, match="DAILY_BUDGET_USD"):
        read(DAILY_BUDGET_USD="a lot")


def test_what_is_a_persons_own_is_seen_by_the_key_of_the_host() -> None:
    _, settings = read_environment({}, None)
    _, changed = read_environment({"INBOX_OWNER": "ann", "STACK_NAME": "prod", "PROVIDER_WEBHOOKS": "fal"}, None)

    assert (settings.inbox_owner, settings.events_owner) == ("local", "local")
    assert (changed.inbox_owner, changed.stack_name) == ("ann", "local")
    assert (settings.provider_webhooks, changed.provider_webhooks) == (("sandbox",), ("fal", "sandbox"))


def test_no_key_is_shown() -> None:
    assert "a-secret" not in repr(read(GEMINI_API_KEY="a-secret", BLOTATO_API_KEY="a-secret"))
