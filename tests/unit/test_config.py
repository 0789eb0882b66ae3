"""The settings of a function, read from its environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mediaposter.config import FALLBACK_MODELS_MAX, Settings
from mediaposter.domain.errors import ConfigurationError
from mediaposter.wire.requests import CreateVideoRequest


def test_settings_are_read_from_their_variables_and_others_do_not_matter() -> None:
    settings = Settings.from_environment(
        {"LIBRARY_TABLE": "library", "GENERATION_TIMEOUT_SECONDS": "600", "AWS_REGION": "eu-central-1"}
    )

    assert (settings.library_table, settings.generation_timeout_seconds) == ("library", 600)


@pytest.mark.parametrize("value", ["", "0", "an hour"])
def test_a_setting_that_is_wrong_names_its_variable(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not valid: GENERATION_TIMEOUT_SECONDS\."):
        Settings.from_environment({"GENERATION_TIMEOUT_SECONDS": value})


def test_a_render_may_take_half_a_day_and_no_longer() -> None:
    assert Settings.from_environment({"GENERATION_TIMEOUT_SECONDS": "43200"}).generation_timeout_seconds == 43_200
    with pytest.raises(ConfigurationError, match="GENERATION_TIMEOUT_SECONDS"):
        Settings.from_environment({"GENERATION_TIMEOUT_SECONDS": "43201"})


def test_what_is_required_is_given() -> None:
    assert Settings.from_environment({"VIDEO_BUCKET": "videos"}).require("video_bucket") == "videos"
    with pytest.raises(ConfigurationError, match=r"VIDEO_BUCKET is not set on this function; see template\.yaml"):
        Settings.from_environment({}).require("video_bucket")


def test_a_stack_names_as_many_fallbacks_as_a_request_may() -> None:
    names = [f"model-{number}" for number in range(FALLBACK_MODELS_MAX + 1)]

    settings = Settings.from_environment({"FALLBACK_MODELS": ",".join(names[:FALLBACK_MODELS_MAX])})

    request = CreateVideoRequest.model_validate({"prompt": "A kite", "fallback_models": settings.fallback_models})
    assert request.fallback_models == names[:FALLBACK_MODELS_MAX]
    with pytest.raises(ConfigurationError, match="FALLBACK_MODELS"):
        Settings.from_environment({"FALLBACK_MODELS": ",".join(names)})
    with pytest.raises(ValidationError, match="fallback_models"):
        CreateVideoRequest.model_validate({"prompt": "A kite", "fallback_models": names})
