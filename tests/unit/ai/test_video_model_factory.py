"""Making a video model by its provider's name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mediaposter.ai.catalog import built_in_catalog, parse_catalog
from mediaposter.ai.fal_model import FalVideoModel
from mediaposter.ai.pika_model import PikaVideoModel
from mediaposter.ai.sora_model import SoraVideoModel
from mediaposter.ai.video_model_factory import create_video_model, find_model_class, list_providers
from mediaposter.domain.errors import ConfigurationError

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
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env is here
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
    # Without a name, a variant; and also where the name is an alias elsewhere.
    for made in (
        create_video_model(api_key="k", base_url=BASE_URL),
        create_video_model("sora", "sora-2", api_key="k", base_url=BASE_URL),
    ):
        assert (made.provider, made.model_variant) == ("sora", "sora-2")


def test_an_unknown_variant_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"has no variant 'sora-3x*'\. It has: sora-2, sora-2-pro\.") as no:
        create_video_model("sora", "sora-3" + "x" * 1_000_000, api_key="k", base_url=BASE_URL)
    assert len(str(no.value)) < 300
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
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv(f"{prefix}_API_KEY", "k")
    monkeypatch.setenv(f"{prefix}_BASE_URL", BASE_URL)

    model = create_video_model("sora")

    assert (model.api_key, model.base_url) == ("k", BASE_URL)


def test_an_argument_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORA_API_KEY", UNUSABLE_KEY)
    monkeypatch.setenv("SORA_BASE_URL", "not a URL")

    model = create_video_model("sora", api_key="k", base_url=BASE_URL)

    assert (model.api_key, model.base_url) == ("k", BASE_URL)


@pytest.mark.parametrize(
    ("provider", "variable", "base_url"),
    [
        ("runway", "RUNWAYML_API_SECRET", "https://api.dev.runwayml.com"),
        ("gemini", "GEMINI_API_KEY", "https://generativelanguage.googleapis.com"),
    ],
)
def test_a_vendor_with_a_server_of_its_own_needs_no_address(
    monkeypatch: pytest.MonkeyPatch, provider: str, variable: str, base_url: str
) -> None:
    monkeypatch.setenv(variable, "key_of_the_test")

    model = create_video_model(provider)

    assert (model.api_key, model.base_url) == ("key_of_the_test", base_url)


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


def test_a_key_named_after_pika_is_fals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIKA_API_KEY", "key_of_the_test")

    assert create_video_model("pika").api_key == "key_of_the_test"


# OpenAI's names without a server of OpenAI's


@pytest.mark.parametrize(
    ("variable", "made_by"),
    [("GOOGLE_API_KEY", "gemini-omni-1.2-flash"), ("FAL_KEY", "seedance-2.0"), ("RUNWAYML_API_SECRET", "gen4.5")],
)
def test_sora_is_made_by_a_model_with_a_key_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, variable: str, made_by: str
) -> None:
    monkeypatch.setenv(variable, "key_of_the_test")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-other-things")

    with pytest.warns(UserWarning, match=f"sora-2-pro is made by {made_by} of .*switched off on 2026-09-24") as said:
        model = create_video_model("sora", model_variant="sora-2-pro")

    assert (model.model_variant, model.api_key, len(said)) == (made_by, "key_of_the_test", 1)


def test_a_key_in_a_file_counts_and_the_environment_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("RUNWAY_API_KEY=from_the_file\nFAL_KEY=from_the_file\n")
    monkeypatch.setenv("FAL_KEY", "from_the_environment")

    assert create_video_model("runway").api_key == "from_the_file"
    assert create_video_model("fal").api_key == "from_the_environment"


def test_sora_without_any_key_is_refused_with_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-other-things")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")

    with pytest.raises(ConfigurationError, match=r"switched off.*GEMINI_API_KEY.*SORA_BASE_URL.*mediaposter up"):
        create_video_model("sora")


VENDORS_LIBRARIES = {"openai", "httpx2", "google", "runwayml", "fal_client", "boto3", "botocore", "cryptography"}
# Pika lives at fal, and the sandbox speaks sora's wire.
SHARED_WIRES = {"pika": {"fal"}, "sandbox": {"sora"}}


# What is there before is loaded once; each provider then has a process of its own.
PROGRAM = """
import json, os, sys
from mediaposter.ai.video_model_factory import find_model_class, list_providers
for provider in list_providers():
    if os.fork() == 0:
        find_model_class(provider)
        print(json.dumps([provider, *sys.modules]), flush=True)
        os._exit(0)
    os.wait()
"""


def test_loading_one_provider_loads_no_others_file_or_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]

    assert [provider for provider, *_ in said] == list_providers()
    for provider, *loaded in said:
        files = {name.split(".")[2] for name in loaded if re.match(r"mediaposter\.ai\.\w+_model$", name)}
        assert files == {f"{name}_model" for name in {provider} | SHARED_WIRES.get(provider, set())}
        allowed = {"boto3", "botocore"} if provider == "bedrock" else set()
        assert set(loaded) & VENDORS_LIBRARIES <= allowed
