"""The messages of MCP: read a JSON-RPC request, and agree on a version of the protocol.

Two versions are spoken over one address, and no session is kept: 2025-11-25 begins with `initialize`, 2026-07-28 names
its version in each request (modelcontextprotocol.io/specification/2025-11-25 and /2026-07-28, "Streamable HTTP").
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pydantic import JsonValue

from mediaposter.domain.text import refuse_unwritable_within
from mediaposter.wire.json_text import parse_json

# The first is answered to a client that asks for a version of which we know nothing.
HANDSHAKE_VERSIONS = ("2025-11-25", "2025-06-18")
STATELESS_VERSION = "2026-07-28"
VERSIONS = (STATELESS_VERSION, *HANDSHAKE_VERSIONS)
VERSION_HEADER = "mcp-protocol-version"
_METHOD_HEADER = "mcp-method"
_NAME_HEADER = "mcp-name"
_META_VERSION = "io.modelcontextprotocol/protocolVersion"
_META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
# JSON-RPC 2.0, "Error object"; the last two are MCP's.
PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
_STATUS = {METHOD_NOT_FOUND: HTTPStatus.NOT_FOUND}
_ID_MAX_CHARACTERS = 256


class RpcError(Exception):
    """A message that is refused; nothing was done."""

    def __init__(self, code: int, message: str, *, data: JsonValue = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of a refusal."""
        return _STATUS.get(self.code, HTTPStatus.BAD_REQUEST)


class Message(NamedTuple):
    """A JSON-RPC request; a notification, or an answer to us, has no id and no method of ours.

    Attributes:
        id: of the request; None if nothing is to be answered.
        method: what is asked for.
        params: its arguments.
    """

    id: int | str | None
    method: str
    params: dict[str, Any]


def read_message(body: bytes) -> Message:
    """Read the body of a POST.

    Raises:
        RpcError: it is not one JSON-RPC 2.0 message.
    """
    try:
        content = parse_json(body)
        refuse_unwritable_within(content)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, f"The body {error}.") from error
    if isinstance(content, list):
        raise RpcError(INVALID_REQUEST, "Batches are not supported: send one request in each POST.")
    if not isinstance(content, dict) or content.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'The body must be one JSON-RPC request: an object with "jsonrpc": "2.0".')
    if "method" not in content and ("result" in content or "error" in content):
        return Message(None, "", {})  # an answer, though nothing is ever asked of a client
    method, params = content.get("method"), content.get("params", {})
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "The method must be a text.")
    if "id" not in content:
        return Message(None, method, {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "The params must be an object.")
    if not _is_id(content["id"]):
        raise RpcError(INVALID_REQUEST, f"The id must be a whole number, or a text of {_ID_MAX_CHARACTERS} characters.")
    return Message(content["id"], method, params)


def is_stateless(message: Message, headers: Mapping[str, str]) -> bool:
    """Tell whether a request says its version itself, as from 2026-07-28 on; then check that.

    Raises:
        RpcError: its version is none of ours, or it contradicts its headers.
    """
    meta = message.params.get("_meta")
    header = headers.get(VERSION_HEADER)
    says_version = isinstance(meta, dict) and _META_VERSION in meta
    if not says_version and header != STATELESS_VERSION and message.method != "server/discover":
        # Without a header it is a client of an earlier version, and those differ in nothing that is used here.
        if header is not None and header not in (*HANDSHAKE_VERSIONS, "2025-03-26"):
            raise _refuse_version(header)
        return False
    missing = [name for name in (_META_VERSION, _META_CAPABILITIES) if not isinstance(meta, dict) or name not in meta]
    if missing or not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    named = {VERSION_HEADER: meta[_META_VERSION], _METHOD_HEADER: message.method}
    if message.method == "tools/call":
        named[_NAME_HEADER] = message.params.get("name")
    for name, value in named.items():
        if headers.get(name) != value:
            raise RpcError(HEADER_MISMATCH, f"The header {name} must be there, and say what the body says.")
    if meta[_META_VERSION] != STATELESS_VERSION:
        raise _refuse_version(str(meta[_META_VERSION]))
    return True


def choose_version(params: Mapping[str, Any]) -> str:
    """Choose the version that `initialize` is answered with: the client's, or else our newest with a handshake."""
    wanted = params.get("protocolVersion")
    return wanted if isinstance(wanted, str) and wanted in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[0]


def _refuse_version(requested: str) -> RpcError:
    return RpcError(
        UNSUPPORTED_VERSION,
        "This version of MCP is not supported.",
        data={"supported": list(VERSIONS), "requested": requested[:64]},
    )


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _ID_MAX_CHARACTERS
    return isinstance(value, int) and not isinstance(value, bool)
