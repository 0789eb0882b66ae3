"""What a host offers by its keys, and where its events and its questions go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mediaposter.domain.errors import ConfigurationError, InvalidRequest, VideoModelError
from mediaposter.host.app import Host
from mediaposter.host.edges import HostEdges
from mediaposter.host.environment import read_environment
from mediaposter.host.outbox import Kind, Outbox
from mediaposter.host.pretend.publisher import PretendedPublisher
from mediaposter.publishing.blotato_client import BlotatoClient
from mediaposter.usecases.steps import RenderToCancel

TODAY = datetime.now(UTC).date()


class Opened:
    """The edges of hosts with these and those keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.hosts: list[Host] = []

    def host(self, **variables: str) -> Host:
        environment, settings = read_environment(variables, None)
        host = Host(
            self._folder / f"host-{len(self.hosts)}",
            environment=environment,
            settings=settings,
            public_url=lambda: "http://127.0.0.1:4600",
        )
        self.hosts.append(host)
        return host

    def edges(self, **variables: str) -> HostEdges:
        return self.host(**variables).edges


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made = Opened(tmp_path)
    yield made
    for host in made.hosts:
        host.close()


# Models


@pytest.mark.parametrize(
    ("variables", "provider"),
    [
        ({}, "sandbox"),
        ({"RUNWAY_API_KEY": "k"}, "runway"),
        ({"RUNWAY_API_KEY": "k", "FAL_KEY": "k"}, "fal"),
        ({"SORA_BASE_URL": "http://127.0.0.1:9000/v1", "GEMINI_API_KEY": "k"}, "gemini"),
        ({"OPENAI_API_KEY": "k"}, "sandbox"),
    ],
)
def test_sora_2_leads_to_the_first_account_with_a_key(opened: Opened, variables: dict[str, str], provider: str) -> None:
    resolved = opened.edges(**variables).read_catalog().resolve("sora-2", today=TODAY)

    assert (resolved.entry.provider, resolved.is_alias) == (provider, True)


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        ("gemini", "set GEMINI_API_KEY or GOOGLE_API_KEY in .env, and start again"),
        ("pika", "set FAL_KEY or FAL_API_KEY or PIKA_API_KEY in .env"),
        ("bedrock", "set BEDROCK_BASE_URL in .env"),
    ],
)
def test_a_model_without_a_key_names_the_variable_that_is_missing(opened: Opened, provider: str, says: str) -> None:
    catalog = opened.edges().read_catalog()
    living = [
        entry.name for entry in catalog.models.values() if entry.provider == provider and not entry.is_retired(TODAY)
    ]
    assert living != []

    for name in living:
        with pytest.raises(InvalidRequest, match=says):
            catalog.resolve(name, today=TODAY)


def test_only_models_with_a_key_are_listed(opened: Opened) -> None:
    offered = opened.edges(RUNWAY_API_KEY="k").read_catalog().list_offered()

    assert {entry.provider for entry in offered} == {"runway", "sandbox"}


def test_a_key_is_read_by_the_name_of_its_parameter(opened: Opened) -> None:
    edges = opened.edges(FAL_KEY="fal-key", BLOTATO_API_KEY="blotato-key", SORA_WEBHOOK_SECRET="whsec_a")

    assert edges.read_secret("providers/fal-api-key") == "fal-key"
    assert edges.read_secret("blotato-api-key") == "blotato-key"
    assert edges.read_secret("webhooks/sora-secret") == "whsec_a"
    assert len(edges.read_secret("webhook-signing-key")) >= 32


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("providers/gemini-api-key", "set GEMINI_API_KEY or GOOGLE_API_KEY in .env"),
        ("blotato-api-key", "set BLOTATO_API_KEY in .env"),
        ("webhooks/gemini-secret", "set GEMINI_WEBHOOK_SECRET in .env"),
    ],
)
def test_a_key_that_is_missing_is_named_by_its_variable(opened: Opened, name: str, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        opened.edges().read_secret(name)


# Posts


def test_posts_are_pretended_and_said_to_be_until_there_is_a_key(opened: Opened) -> None:
    without, with_key = opened.edges(), opened.edges(BLOTATO_API_KEY="k")

    assert without.posts_notice == "Posts are pretended: BLOTATO_API_KEY is not set. Nothing is public."
    assert isinstance(without.build_publisher(), PretendedPublisher)
    assert with_key.posts_notice == ""
    assert isinstance(with_key.build_publisher(), BlotatoClient)


# What is sent


def test_a_render_to_cancel_is_on_disk_before_it_is_answered(opened: Opened) -> None:
    host = opened.host()
    render = RenderToCancel(video_id="video_1", provider="sandbox", model="sandbox-1", job_id="job-1")

    host.edges.cancel_render(render)

    [message] = Outbox(host.edges.table._database).take()
    assert (message.kind, RenderToCancel.model_validate_json(message.body)) == (Kind.CANCEL_RENDER, render)


@pytest.mark.enable_socket(reason="it looks an address up, and connects to none but this machine's")
@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("https://127.0.0.1:9/hook", "is in a private network"),
        ("http://127.0.0.1:9/hook", r"could not be reached|refused"),
    ],
)
def test_a_webhook_over_https_reaches_public_addresses_alone(opened: Opened, url: str, refusal: str) -> None:
    with pytest.raises(VideoModelError, match=refusal):
        opened.edges().post_json(url, b"{}", headers={})


def test_ids_sort_by_their_time(opened: Opened) -> None:
    edges = opened.edges()
    first = edges.new_id("video")
    until = edges.now() + timedelta(milliseconds=2)
    while edges.now() < until:
        pass

    assert first < edges.new_id("video")
    assert first.startswith("video_")
