"""Making a video model by its provider's name."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from mediaposter.ai.catalog import built_in_catalog, parse_catalog
from mediaposter.ai.fal_model import FalVideoModel
from mediaposter.ai.pika_model import PikaVideoModel
from mediaposter.ai.sandbox_model import SandboxVideoModel
from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.ai.video_model_factory import create_video_model, find_model_class, list_providers
from mediaposter.errors import ConfigurationError

BASE_URL = "https://videos.example/v1"
UNUSABLE_KEY = "a key with spaces"

SANDBOX = """
[models.sandbox-1]
provider = "sandbox"
durations_seconds = [4]
sizes = ["320x180"]
price_usd_per_second = { "180" = "0" }
expected_render_seconds = 3
"""


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.endswith(("_API_KEY", "_BASE_URL")) or variable in ("FAL_KEY", "RUNWAYML_API_SECRET"):
            monkeypatch.delenv(variable)


def test_there_is_a_provider_for_each_adapter_file_and_nothing_else() -> None:
    assert {"fal", "gemini", "pika", "runway", "sandbox", "sora"} <= set(list_providers())
    assert not {"video", "factory", "video_model_factory"} & set(list_providers())


@pytest.mark.parametrize("name", list_providers())
def test_a_providers_class_is_its_own_and_not_one_that_it_builds_on(name: str) -> None:
    assert find_model_class(name).provider == name


@pytest.mark.parametrize("name", ["Sora", "../sora", "os", "x" * 1_000])
def test_an_unknown_provider_is_refused_with_those_there_are_and_imports_nothing(name: str) -> None:
    modules = set(sys.modules)

    with pytest.raises(ConfigurationError, match=r"There is no provider .*\. There are: .*sora") as error:
        create_video_model(name, api_key="k", base_url=BASE_URL)

    assert set(sys.modules) == modules
    assert len(str(error.value)) < 300


# The row


def test_a_model_is_made_with_its_row_of_the_catalog() -> None:
    model = create_video_model("sora", "sora-2-pro", api_key="k", base_url=BASE_URL)

    assert isinstance(model, SoraVideoModel)
    assert model.entry is built_in_catalog().get("sora-2-pro")
    assert model.model_variant == "sora-2-pro"
    assert model.capabilities.remix


def test_a_name_that_is_an_alias_elsewhere_makes_the_model_that_was_asked_for() -> None:
    assert "sora-2" in built_in_catalog().aliases
    assert create_video_model("sora", "sora-2", api_key="k", base_url=BASE_URL).model_variant == "sora-2"


def test_without_a_variant_the_providers_first_is_made() -> None:
    assert create_video_model("sora", api_key="k", base_url=BASE_URL).model_variant == "sora-2"


def test_without_a_name_sora_is_made() -> None:
    assert isinstance(create_video_model(api_key="k", base_url=BASE_URL), SoraVideoModel)


def test_a_row_may_come_from_a_catalog_of_the_callers_own() -> None:
    catalog = parse_catalog(SANDBOX.replace("sandbox", "sora"))

    assert create_video_model("sora", api_key="k", base_url=BASE_URL, catalog=catalog).model_variant == "sora-1"


def test_an_unknown_variant_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The provider sora has no variant 'sora-3'\. It has: sora-2, sora-2-pro\."
    ):
        create_video_model("sora", "sora-3", api_key="k", base_url=BASE_URL)


def test_a_variant_as_long_as_a_body_is_not_repeated_whole() -> None:
    with pytest.raises(ConfigurationError) as error:
        create_video_model("sora", "x" * 1_000_000, api_key="k", base_url=BASE_URL)
    assert len(str(error.value)) < 300


def test_a_provider_without_a_row_says_that_it_has_none() -> None:
    with pytest.raises(ConfigurationError, match=r"The provider sora has no variant 'None'\. It has: none\."):
        create_video_model("sora", api_key="k", base_url=BASE_URL, catalog=parse_catalog(SANDBOX))


# The key and the address


def test_a_missing_key_or_address_names_the_variables_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", "")
    with pytest.raises(ConfigurationError, match="The provider sora needs SORA_API_KEY or OPENAI_API_KEY"):
        create_video_model("sora", base_url=BASE_URL)
    with pytest.raises(ConfigurationError, match="The provider sora needs SORA_BASE_URL or OPENAI_BASE_URL"):
        create_video_model("sora", api_key="k")


@pytest.mark.parametrize("prefix", ["SORA", "OPENAI"])
def test_key_and_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv(f"{prefix}_API_KEY", "k")
    monkeypatch.setenv(f"{prefix}_BASE_URL", BASE_URL)

    model = create_video_model("sora")

    assert (model.api_key, model.base_url) == ("k", BASE_URL)


def test_the_providers_own_variable_comes_before_its_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", "ours")
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")

    assert create_video_model("sora", base_url=BASE_URL).api_key == "ours"


def test_an_argument_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", UNUSABLE_KEY)
    monkeypatch.setenv("SORA_BASE_URL", "not a URL")

    model = create_video_model("sora", api_key="k", base_url=BASE_URL)

    assert (model.api_key, model.base_url) == ("k", BASE_URL)


def test_a_vendor_with_a_server_of_its_own_needs_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "key_of_the_test")

    model = create_video_model("runway", "gen4.5")

    assert (model.api_key, model.base_url) == ("key_of_the_test", "https://api.dev.runwayml.com")


def test_a_provider_that_asks_for_no_key_is_made_without_one() -> None:
    model = create_video_model("sandbox", base_url="http://127.0.0.1:4010/v1", catalog=parse_catalog(SANDBOX))

    assert isinstance(model, SandboxVideoModel)
    assert not model.needs_api_key


def test_a_key_for_a_provider_that_asks_for_none_is_taken_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_API_KEY", UNUSABLE_KEY)

    with pytest.raises(ConfigurationError, match="holds a space"):
        create_video_model("sandbox", base_url="http://127.0.0.1:4010/v1", catalog=parse_catalog(SANDBOX))


@pytest.mark.parametrize("name", ["fal", "pika"])
def test_pikas_models_are_asked_for_with_fals_key_at_fals_address(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("FAL_KEY", "key_of_the_test")

    model = create_video_model(name)

    assert isinstance(model, FalVideoModel)
    assert isinstance(model, PikaVideoModel) == (name == "pika")
    assert (model.provider, model.entry.provider) == (name, name)
    assert (model.api_key, model.base_url) == ("key_of_the_test", "https://queue.fal.run")


def test_a_key_named_after_pika_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIKA_API_KEY", "k")

    with pytest.raises(ConfigurationError, match="The provider fal needs FAL_API_KEY or FAL_KEY"):
        create_video_model("pika")


VENDORS_LIBRARIES = {"openai", "httpx2", "google", "runwayml", "fal_client", "boto3", "botocore", "cryptography"}
# Pika lives at fal, and the sandbox speaks sora's wire.
SHARED_WIRES = {"pika": {"fal"}, "sandbox": {"sora"}}


@pytest.mark.parametrize("provider", list_providers())
def test_loading_one_provider_loads_no_others_file_or_library(provider: str) -> None:
    program = (
        "import sys\n"
        "from mediaposter.ai.video_model_factory import find_model_class\n"
        f"find_model_class({provider!r})\n"
        "print(*(name for name in sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    adapters = {
        name.split(".")[2].removesuffix("_model") for name in loaded if re.match(r"mediaposter\.ai\.\w+_model$", name)
    }
    assert adapters == {provider} | SHARED_WIRES.get(provider, set())
    allowed = {"boto3", "botocore"} if provider == "bedrock" else set()
    assert set(loaded) & VENDORS_LIBRARIES <= allowed
