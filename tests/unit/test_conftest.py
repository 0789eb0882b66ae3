"""What holds for every unit test."""

from __future__ import annotations

import socket

import pytest
from pytest_socket import SocketBlockedError

from tests.conftest import name_group


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_unit_test_opens_no_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


@pytest.mark.enable_socket(reason="shows that the mark lets a test through; nothing is connected")
def test_a_marked_test_may_open_one() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/integration/test_logs.py::test_a", "deployed"),
        ("tests/conformance/test_series.py::test_a[deployed]", "deployed"),
        ("tests/conformance/test_batches.py::test_a[deployed-csv]", "deployed"),
        ("tests/browser/test_deployed.py::test_a", "deployed"),
        ("tests/browser/test_make.py::test_a", "browser"),
        ("tests/conformance/test_series.py::test_a[embedded]", "conformance"),
        ("tests/conformance/test_kills.py::test_a", "tests/conformance/test_kills.py"),
        ("tests/unit/test_aws.py::test_a[deployed]", "tests/unit/test_aws.py"),
    ],
)
def test_all_that_ask_one_world_run_in_one_process(nodeid: str, group: str) -> None:
    assert name_group(nodeid) == group
