"""Two deployed stacks for all integration tests: the real template, with the roles' permissions enforced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sandbox.world import run_world
from tests.integration.stack import WAIT_SCALE, DeployedStack

# The names of OpenAI's models lead to a server that speaks its API, as in a stack with such a server.
ALIASES = {
    "sora-2": "sora-2",
    "sora-2-pro": "sora-2-pro",
    "house-model": "gen4.5",
    "our-kling": "kling-3.0-pro",
    "our-h3": "minimax-h3",
    "our-wan": "wan-2.7",
    "our-pika": "pika-2.2",
    "our-ray": "luma.ray-v2:0",
}
# A model that only this stack has, and a price that only it pays.
CATALOG = """
[models."gen4.5"]
price_usd_per_second = { "720" = "0.15" }

[models.house-wan]
provider = "sora"
provider_model = "sora-2"
durations_seconds = [4]
sizes = ["720x1280"]
price_usd_per_second = { "720" = "0.05" }
expected_render_seconds = 30
capabilities = { list_jobs = true }
"""


_DEPLOYED = pytest.StashKey[DeployedStack]()


def deploy_once(config: pytest.Config, directories: pytest.TempPathFactory) -> DeployedStack:
    """Deploy the stack that all tests of this process share, in tests/conformance too.

    Waits take a fiftieth of their time, and the stand-in's rate limits are lifted.
    """
    if _DEPLOYED not in config.stash:
        running = ExitStack()
        config.add_cleanup(running.close)
        world = running.enter_context(
            run_world(
                directories.mktemp("world"),
                wait_scale=WAIT_SCALE,
                concurrency=8,
                render_seconds=0.5,
                rate_scale=1000,
                lease_seconds=5,
                aliases=ALIASES,
                catalog=CATALOG,
            )
        )
        config.stash[_DEPLOYED] = DeployedStack(world)
    return config.stash[_DEPLOYED]


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DeployedStack:
    """Give the deployed stack."""
    return deploy_once(request.config, tmp_path_factory)


# What the provider of the sandbox renders at once in the second stack, and how long each takes it.
SLOTS = 4
RENDER_SECONDS = 2.0
# Of the first two a stack that has learned nothing asks after many minutes, of the others after some seconds.
TIMELY_CATALOG = """
[models."seedance-2.0"]
expected_render_seconds = 2400
[models."gemini-omni-1.2-flash"]
expected_render_seconds = 2400
[models."wan-2.7"]
expected_render_seconds = 4
[models.sandbox-1]
expected_render_seconds = 4
"""


@pytest.fixture(scope="session")
def timely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Deploy a stack in which a second of a wait is a second, that keeps to limits and listens to webhooks."""
    with run_world(
        tmp_path_factory.mktemp("timely"),
        concurrency=10,
        render_seconds=RENDER_SECONDS,
        # Blotato's own would make a test of half an hour; what counts is that they are enforced on both sides.
        rate_scale=6,
        lease_seconds=60,
        provider_webhooks=("fal", "gemini"),
        provider_concurrency={"sandbox": SLOTS},
        catalog=TIMELY_CATALOG,
    ) as world:
        yield DeployedStack(world, wait_scale=1.0)
