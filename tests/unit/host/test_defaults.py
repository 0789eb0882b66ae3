"""What holds on a host where no variable says otherwise."""

from __future__ import annotations

import pytest

from mediaposter.host.environment import read_environment

OWN_URL = "http://127.0.0.1:4600"


@pytest.mark.parametrize(
    ("environ", "approval"),
    [
        ({}, "none"),
        ({"BLOTATO_API_KEY": "key="}, "required"),
        ({"BLOTATO_API_KEY": "key=", "DEFAULT_APPROVAL": "none"}, "none"),
        ({"DEFAULT_APPROVAL": "required"}, "required"),
    ],
)
def test_posts_wait_for_an_approval_where_they_are_real(environ: dict[str, str], approval: str) -> None:
    _, settings = read_environment(environ, None)

    assert settings.default_approval == approval


def test_pretended_posts_do_not_wait_for_blotatos_limits() -> None:
    _, pretended = read_environment({}, None)
    _, real = read_environment({"BLOTATO_API_KEY": "key="}, None)

    assert (real.uploads_per_minute, real.posts_per_minute) == (10, 30)
    assert pretended.uploads_per_minute > 100
    assert pretended.posts_per_minute > 100


@pytest.mark.parametrize("address", ["http://127.0.0.1:4600/v1", "http://localhost:4600/v1"])
@pytest.mark.parametrize("name", ["SORA_BASE_URL", "OPENAI_BASE_URL"])
def test_the_host_is_no_provider_of_its_own(name: str, address: str) -> None:
    environment, settings = read_environment({name: address, "OPENAI_API_KEY": "mp_key"}, None, own_url=OWN_URL)

    assert environment.list_providers() == []
    assert "sora" not in settings.provider_base_urls


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1", "http://192.0.2.7:4600/v1"])
def test_another_server_is_a_provider(address: str) -> None:
    environment, settings = read_environment({"SORA_BASE_URL": address}, None, own_url=OWN_URL)

    assert environment.list_providers() == ["sora"]
    assert settings.provider_base_urls["sora"] == address
