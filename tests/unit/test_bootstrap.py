"""The secrets of a stack, as the functions read them."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.stub import Stubber
from moto import mock_aws

from mediaposter import bootstrap
from mediaposter.errors import ConfigurationError

PATH = "/mediaposter/a-stack"


@pytest.fixture(autouse=True)
def _a_function_of_a_stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SECRETS_PATH", PATH)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    builders = (bootstrap.settings, bootstrap._session, bootstrap._secrets)
    with mock_aws():
        for builder in builders:
            builder.cache_clear()
        yield
    for builder in builders:
        builder.cache_clear()


def put_secret(name: str, value: str) -> None:
    boto3.client("ssm").put_parameter(Name=f"{PATH}/{name}", Value=value, Type="SecureString", Overwrite=True)


def test_a_secret_is_read_verbatim() -> None:
    put_secret("blotato-api-key", "abc==")

    assert bootstrap.read_secret("blotato-api-key") == "abc=="


def test_a_secret_is_asked_for_once_in_a_while() -> None:
    put_secret("providers/sora-api-key", "first")
    bootstrap.read_secret("providers/sora-api-key")
    put_secret("providers/sora-api-key", "second")

    assert bootstrap.read_secret("providers/sora-api-key") == "first"


def test_a_missing_secret_says_how_to_put_it() -> None:
    with pytest.raises(
        ConfigurationError, match=f"ssm put-parameter --type SecureString --name {PATH}/providers/sora-api-key"
    ):
        bootstrap.read_secret("providers/sora-api-key")


def test_an_outage_of_the_parameter_store_is_not_taken_for_a_missing_secret() -> None:
    with Stubber(bootstrap._secrets().client) as store:
        store.add_client_error("get_parameter", "ThrottlingException")

        with pytest.raises(GetParameterError):
            bootstrap.read_secret("providers/sora-api-key")
