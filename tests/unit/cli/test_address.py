"""Which stack a command over HTTP is about: options, the environment, the host that runs here, AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mediaposter.cli.address import NONE_FOUND, Place, find_address
from mediaposter.cli.client import Address
from mediaposter.cli.deployed_stack import DeployedStack
from mediaposter.domain.errors import ConfigurationError
from tests.unit.cli.stack import BASE_URL as ON_AWS
from tests.unit.cli.stack import StackInMemory

HOST = "http://127.0.0.1:4600/v1"
ENVIRON = {"MEDIAPOSTER_BASE_URL": "https://api.test/v1", "MEDIAPOSTER_API_KEY": "mp_environ"}


class Machine:
    """A machine, on which a host may run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = StackInMemory()
        self.aws_fails = False

    def run_host(self) -> None:
        self.folder.mkdir()
        (self.folder / "host.json").write_text(json.dumps({"base_url": HOST, "api_key": "mp_host", "process_id": 1}))

    @contextmanager
    def open_stack(self, name: str, endpoint_url: str | None) -> Iterator[DeployedStack]:
        if self.aws_fails:
            raise ConfigurationError("There are no AWS credentials here.")
        yield self.stack.open(name, endpoint_url=endpoint_url)

    def find(self, environ: dict[str, str] | None = None, **place: Any) -> Address:
        return find_address(
            Place(**place), environ or {}, choose_folder=lambda: self.folder, open_stack=self.open_stack
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "data")


def test_options_win_over_everything(machine: Machine) -> None:
    machine.run_host()

    assert machine.find(ENVIRON, url="http://mine.test/v1", key="mp_mine") == Address(
        "http://mine.test/v1", "mp_mine", "by --url"
    )


def test_the_environment_wins_over_the_host(machine: Machine) -> None:
    machine.run_host()

    assert machine.find(ENVIRON) == Address("https://api.test/v1", "mp_environ", "by MEDIAPOSTER_BASE_URL")


def test_the_host_that_runs_wins_over_aws_with_its_own_key(machine: Machine) -> None:
    machine.run_host()

    found = machine.find({"MEDIAPOSTER_API_KEY": "mp_environ"})

    assert found == Address(HOST, "mp_host", f"the host that runs here, in {machine.folder}")


def test_a_stack_that_is_named_wins_over_the_environment(machine: Machine) -> None:
    found = machine.find(ENVIRON, stack="studio")

    assert found == Address(ON_AWS, "mp_environ", "the stack studio on AWS")


def test_a_key_alone_leads_to_the_usual_stack_on_aws(machine: Machine) -> None:
    assert machine.find(key="mp_mine").found_by == "the stack mediaposter on AWS"


def test_the_key_of_the_host_serves_its_own_url(machine: Machine) -> None:
    machine.run_host()

    assert machine.find(url="http://127.0.0.1:4600").api_key == "mp_host"


def test_the_key_of_the_host_is_never_sent_elsewhere(machine: Machine) -> None:
    machine.run_host()

    with pytest.raises(ConfigurationError, match=r"There is no key for https://elsewhere\.test/v1"):
        machine.find(url="https://elsewhere.test")


@pytest.mark.parametrize("place", [{}, {"key": "mp_mine"}])
def test_without_any_the_three_ways_out_are_named(machine: Machine, place: dict[str, Any]) -> None:
    machine.aws_fails = True

    with pytest.raises(ConfigurationError) as refusal:
        machine.find(**place)

    assert str(refusal.value).startswith(NONE_FOUND)


def test_a_stack_on_aws_needs_a_key_which_aws_does_not_have(machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match="mediaposter keys create NAME --stack studio"):
        machine.find(stack="studio")


def test_a_folder_without_a_host_says_how_to_start_it(machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match="mediaposter up --data"):
        machine.find(ENVIRON, data=machine.folder)


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:4600", "http://", "http://user:pass@x/v1", "not a url"])
def test_what_is_no_address_is_refused(machine: Machine, url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no address of an API"):
        machine.find(url=url, key="mp_mine")


def test_a_key_that_no_header_takes_is_refused(machine: Machine) -> None:
    with pytest.raises(ConfigurationError, match="copy it again"):
        machine.find(url="http://x/v1", key="mp_a\nb")
