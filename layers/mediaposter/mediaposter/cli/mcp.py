"""`mediaposter mcp`: what a desktop client starts to use the tools of POST /mcp over stdin and stdout."""

from __future__ import annotations

import json
import sys
from http import HTTPStatus
from typing import BinaryIO

from pydantic import JsonValue, TypeAdapter, ValidationError

from mediaposter.cli.address import KEY_VARIABLE
from mediaposter.cli.api import Api, api_command
from mediaposter.cli.client import Client, Unreachable
from mediaposter.cli.options import create_group
from mediaposter.domain.errors import ConfigurationError

app = create_group("Connect an agent's client on this machine.")

_META_VERSION = "io.modelcontextprotocol/protocolVersion"
_INTERNAL_ERROR = -32603
_ASK_FOR_KEY = (
    "An agent needs a key of its own, with a limit: that of this host may do everything. Make one: mediaposter keys "
    "create my-agent --owner local --scope read --scope create --scope publish --daily-budget 5.00. Name it with "
    f"{KEY_VARIABLE} in the client's configuration, or with --key."
)
_ANY = TypeAdapter[JsonValue](JsonValue)


@api_command(app, "mcp")
def bridge_mcp(api: Api) -> None:
    """Pass the messages of an MCP client on to a stack, and its answers back, until stdin ends.

    A client starts this command by itself: docs/mcp.md has what to write into its configuration.
    """
    bridge(_use_named_key(api), sys.stdin.buffer, sys.stdout.buffer)


def _use_named_key(api: Api) -> Client:
    """Take the key that the client's configuration names, also for the host that runs here.

    The key of that host, which other commands take, may do everything: it posts without a person's approval.

    Raises:
        ConfigurationError: none is named.
    """
    address = api.client.address
    key = (api.place.key or api.session.environ().get(KEY_VARIABLE, "")).strip()
    if not key:
        raise ConfigurationError(_ASK_FOR_KEY)
    return api.client if key == address.api_key else api.session.open_client(address._replace(api_key=key))


def bridge(client: Client, messages: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line with a line; what needs no answer gets none."""
    for line in messages:
        if not line.strip():
            continue
        answer = _pass_on(client, line.strip())
        if answer:
            answers.write(answer + b"\n")
            answers.flush()


def _pass_on(client: Client, line: bytes) -> bytes:
    message = _read(line)
    try:
        response = client.exchange("/mcp", line, _list_headers(message))
    except Unreachable as error:
        return _write_failure(message, str(error))
    if response.status_code == HTTPStatus.ACCEPTED:
        return b""
    answer = _read(response.content)
    if "jsonrpc" in answer:
        # One line, whatever stands between.
        return json.dumps(answer, ensure_ascii=False).encode()
    envelope = answer.get("error")
    reason = envelope.get("message") if isinstance(envelope, dict) else None
    return _write_failure(message, str(reason or f"{client.address.base_url} answered {response.status_code}."))


def _read(content: bytes) -> dict[str, JsonValue]:
    """Read a message; {} is what is none, for the server to refuse."""
    try:
        value = _ANY.validate_json(content)
    except ValidationError:
        return {}
    return value if isinstance(value, dict) else {}


def _list_headers(message: dict[str, JsonValue]) -> dict[str, str]:
    """Give the headers that HTTP wants beside a message that says its version (MCP 2026-07-28, "Streamable HTTP")."""
    headers = {"Accept": "application/json, text/event-stream"}
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get(_META_VERSION) if isinstance(meta, dict) else None
    named = {"MCP-Protocol-Version": version, "Mcp-Method": message.get("method")}
    if isinstance(params, dict) and message.get("method") == "tools/call":
        named["Mcp-Name"] = params.get("name")
    if isinstance(version, str):
        headers |= {name: value for name, value in named.items() if isinstance(value, str) and value.isascii()}
    return headers


def _write_failure(message: dict[str, JsonValue], reason: str) -> bytes:
    """Write an error for a request that got no answer of MCP; a notification gets none."""
    if message and "id" not in message:
        return b""
    error: dict[str, JsonValue] = {"code": _INTERNAL_ERROR, "message": reason}
    return json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": error}, ensure_ascii=False).encode()
