"""Making a video model by its provider's name."""

from __future__ import annotations

import sys

import pytest

from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.ai.video_model_factory import create_video_model, list_providers
from mediaposter.errors import ConfigurationError

BASE_URL = "https://videos.example/v1"
UNUSABLE_KEY = "a key with spaces"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SORA_API_KEY", "SORA_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def test_there_is_a_provider_for_each_adapter_file_and_nothing_else() -> None:
    assert "sora" in list_providers()
    assert not {"video", "factory", "video_model_factory"} & set(list_providers())


@pytest.mark.parametrize("name", ["sorra", "", "Sora", "../sora", "os", "sora_model", "x" * 1_000])
def test_an_unknown_provider_is_refused_with_those_there_are_and_imports_nothing(name: str) -> None:
    modules = set(sys.modules)

    with pytest.raises(ConfigurationError, match=r"There is no provider .*\. There are: .*sora") as error:
        create_video_model(name, api_key="k", base_url=BASE_URL)

    assert set(sys.modules) == modules
    assert len(str(error.value)) < 300


def test_a_model_is_made_with_its_row_of_the_catalog() -> None:
    model = create_video_model("sora", "sora-2-pro", api_key="k", base_url=BASE_URL)

    assert isinstance(model, SoraVideoModel)
    assert model.model_variant == "sora-2-pro"
    assert model.capabilities.remix


def test_without_a_variant_the_providers_first_is_made() -> None:
    assert create_video_model("sora", api_key="k", base_url=BASE_URL).model_variant == "sora-2"


def test_without_a_name_sora_is_made() -> None:
    assert isinstance(create_video_model(api_key="k", base_url=BASE_URL), SoraVideoModel)


def test_an_unknown_variant_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The provider sora has no variant 'sora-3'. It has: sora-2, sora-2-pro"
    ):
        create_video_model("sora", "sora-3", api_key="k", base_url=BASE_URL)


def test_a_missing_key_names_the_variables_to_set() -> None:
    with pytest.raises(ConfigurationError, match="The provider sora needs SORA_API_KEY or OPENAI_API_KEY"):
        create_video_model("sora", base_url=BASE_URL)


def test_a_missing_address_names_the_variables_to_set() -> None:
    with pytest.raises(ConfigurationError, match="The provider sora needs SORA_BASE_URL or OPENAI_BASE_URL"):
        create_video_model("sora", api_key="k")


@pytest.mark.parametrize("prefix", ["SORA", "OPENAI"])
def test_key_and_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv(f"{prefix}_API_KEY", "k")
    monkeypatch.setenv(f"{prefix}_BASE_URL", BASE_URL)

    assert create_video_model("sora").model_variant == "sora-2"


# Which of two keys was taken shows by the one that no model takes.


def test_the_providers_own_variable_comes_before_openais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", UNUSABLE_KEY)
    create_video_model("sora", base_url=BASE_URL)

    monkeypatch.setenv("SORA_API_KEY", UNUSABLE_KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ConfigurationError, match="holds a space"):
        create_video_model("sora", base_url=BASE_URL)


def test_an_argument_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", UNUSABLE_KEY)
    monkeypatch.setenv("SORA_BASE_URL", "not a URL")

    create_video_model("sora", api_key="k", base_url=BASE_URL)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", "")

    with pytest.raises(ConfigurationError, match="needs SORA_API_KEY or OPENAI_API_KEY"):
        create_video_model("sora", base_url=BASE_URL)


def test_a_vendor_with_a_server_of_its_own_needs_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNWAY_BASE_URL", raising=False)
    monkeypatch.delenv("RUNWAY_API_KEY", raising=False)
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_of_the_test")

    model = create_video_model("runway", "gen4.5")

    assert (model.api_key, model.base_url) == ("key_of_the_test", "https://api.dev.runwayml.com")
