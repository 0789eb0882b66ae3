"""Runs `mediaposter` commands in forks of a process that has imported them all: a short command is mostly its start.

    python -m tests.conformance.forked_commands SOCKET

It prints a line once it listens. A client sends the words, the folder, the variables and its three descriptors, and is
told the exit status.
"""

from __future__ import annotations

import json
import os
import pkgutil
import signal
import socket
import sys
from importlib import import_module

from mediaposter import cli

# What a page calls `mediaposter`. The command finds the folder of a checkout by itself; that of the host is another.
CLIENT = """#!{python} -IS
import json, os, socket, sys
words = sys.argv[1:]
if words[0] in ("keys", "schedule", "backup"):
    words += ["--data", "{data}"]
with socket.socket(socket.AF_UNIX) as server:
    server.connect("{address}")
    socket.send_fds(server, [json.dumps([words, os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
    sys.exit(int(server.recv(9)))
"""


def serve(address: str) -> None:
    """Fork for each command."""
    for module in pkgutil.iter_modules(cli.__path__):
        import_module(f"{cli.__name__}.{module.name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            client, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                client.sendall(str(run(client)).encode())
                os._exit(0)
            client.close()


def run(client: socket.socket) -> int:
    """Be the command that a client asks for, and give its exit status."""
    message, descriptors, _, _ = socket.recv_fds(client, 1 << 20, 3)
    words, folder, variables = json.loads(message)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    status = cli.main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
