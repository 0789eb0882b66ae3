"""Unit tests open no sockets. Unix sockets are left: an event loop wakes itself through one."""

from __future__ import annotations

import pytest
from pytest_socket import disable_socket


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Block the network, but for a test marked `enable_socket(reason=…)`."""
    marker = item.get_closest_marker("enable_socket")
    if marker is None:
        disable_socket(allow_unix_socket=True)
    elif not marker.kwargs.get("reason"):
        raise pytest.UsageError(f"{item.nodeid} opens sockets without a reason")
