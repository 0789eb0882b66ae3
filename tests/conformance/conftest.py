"""One suite over HTTP for both hosts: each case that takes `stack` runs on the embedded host, and on the template.

The embedded host runs every case. The template runs those that are marked `both`: in every run the SDK's tour, and the
cases of `both(always=True)`, which need rights of other functions; the rest of what is asked of it is AWS's own, in
tests/integration. MEDIAPOSTER_CONFORMANCE=both has it run all of them, MEDIAPOSTER_CONFORMANCE=embedded none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mediaposter.host.folder import FILES_FOLDER
from sandbox.people import People, meet_people
from tests.conformance.chat_server import ChatServer, serve_chat
from tests.conformance.embedded import EmbeddedHost, name_variables, run_stand_ins
from tests.conformance.stack import Deployed, Embedded, Stack
from tests.conformance.summary import PROPERTY
from tests.integration.conftest import CATALOG, deploy_once

WAIT_SCALE = 0.02
_HERE = Path(__file__).parent
VENDORS = ("sora", "fal", "gemini", "blotato")
# A page names its models as a fallback, and asks what they cost: it is not called.
UNCALLED = {"RUNWAY_API_KEY": "key_runway-sandbox", "RUNWAY_BASE_URL": "http://127.0.0.1:9"}
WANTED = os.environ.get("MEDIAPOSTER_CONFORMANCE", "tour")


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line(
        "markers", "both(always=False): the case runs on the template, too: in every run, or if that is asked for"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a case on the hosts that it is for."""
    if "stack" in metafunc.fixturenames:
        hosts = ["embedded", "deployed"] if _runs_on_template(metafunc.definition) else ["embedded"]
        metafunc.parametrize("stack", hosts, indirect=True, scope="session")


def _runs_on_template(case: pytest.Function) -> bool:
    mark = case.get_closest_marker("both")
    return mark is not None and (WANTED == "both" or (WANTED == "tour" and bool(mark.kwargs.get("always"))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each case and its host for the table at the end."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == _HERE:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            host = parameters.get("stack", "embedded")
            # The host is one of the parameters between the brackets.
            name, _, ids = item.name.partition("[")
            others = [one for one in ids.removesuffix("]").split("-") if one != host]
            case = f"{item.path.stem.removeprefix('test_')}: {name.removeprefix('test_').replace('_', ' ')}"
            given = f" ({'-'.join(others)})" if any(others) else ""
            item.user_properties.append((PROPERTY, f"{host} {case}{given}"))


@pytest.fixture(scope="session")
def people() -> Iterator[People]:
    """Run the chats and the mail server where people are told that a video waits."""
    with meet_people() as people:
        yield people


@pytest.fixture(scope="session")
def chat_server() -> Iterator[ChatServer]:
    """Run a server of a model that writes captions."""
    with serve_chat() as server:
        yield server


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, people: People, chat_server: ChatServer) -> Iterator[Embedded]:
    """Start the embedded host with stand-ins for its vendors; its waits and clocks take a fiftieth of their time."""
    folder = tmp_path_factory.mktemp("embedded")
    with run_stand_ins(folder / "stand-ins", VENDORS) as addresses:
        process = EmbeddedHost(
            folder / "host",
            {
                **name_variables(addresses),
                **UNCALLED,
                **people.variables,
                **chat_server.variables,
                "CALL_LEASE_SECONDS": "5",
                "BLOTATO_UPLOADS_PER_MINUTE": "1000",
                "BLOTATO_POSTS_PER_MINUTE": "1000",
                "MODEL_ALIASES": "sora-2=sora-2,sora-2-pro=sora-2-pro",
                "CATALOG_KEY": "config/catalog.toml",
            },
            wait_scale=WAIT_SCALE,
        )
        catalog = process.data / FILES_FOLDER / "config" / "catalog.toml"
        catalog.parent.mkdir(parents=True)
        catalog.write_text(CATALOG, encoding="utf-8")
        process.start()
        try:
            yield Embedded(process, addresses)
        finally:
            process.kill()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Give the stack of a host, which is started once for all cases."""
    if request.param == "embedded":
        on_this_machine: Embedded = request.getfixturevalue("embedded")
        return on_this_machine
    return Deployed(deploy_once(request.config, tmp_path_factory))
