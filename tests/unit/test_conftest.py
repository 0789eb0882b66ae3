"""What holds for every unit test."""

from __future__ import annotations

import socket

import pytest
from pytest_socket import SocketBlockedError


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_unit_test_opens_no_socket() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


@pytest.mark.enable_socket(reason="shows that the mark lets a test through; nothing is connected")
def test_a_marked_test_may_open_one() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
