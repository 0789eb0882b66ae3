"""A stack of moto's services, and a way to invoke its functions."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from moto import mock_aws

from checks.cloudformation import Template
from mediaposter import current
from mediaposter.config import Settings
from mediaposter.observability import logger
from tests.unit.functions.stack import REGION, Context, Event, Stack, shipped_template

Invoke = Callable[[str, Event], Any]


@pytest.fixture(scope="session")
def template() -> Template:
    """Read the template once."""
    return shipped_template()


@pytest.fixture
def stack(template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Make the services, empty."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield Stack(template)


@pytest.fixture
def invoke(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invoke]:
    """Give a way to invoke a function in a fresh container, with the environment that the template gives it."""

    def invoke_function(function: str, event: Event) -> Any:
        for name in _list_variables():
            monkeypatch.delenv(name, raising=False)
        for name, value in stack.environment_of(function).items():
            monkeypatch.setenv(name, value)
        current.install(None)
        answer = import_module(stack.handler_of(function)).handler(event, Context())
        # Lambda answers with JSON only.
        return json.loads(json.dumps(answer))

    yield invoke_function
    current.install(None)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Catch what the functions log."""
    handler = logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    caught = io.StringIO()
    before = handler.setStream(caught)
    yield caught
    handler.setStream(before)


def _list_variables() -> list[str]:
    return [str(field.alias) for field in Settings.model_fields.values()]
