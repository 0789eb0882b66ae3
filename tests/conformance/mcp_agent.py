"""Agents' clients, run with the official SDK in `.tools/mcp`: they do what they are told, and print JSON.

On stdin is a list of [mode, place, plan], one for each agent. The mode is the SDK's: `auto` probes for the newest
version, `legacy` begins with `initialize`. The place is {"url": …, "key": …} or {"command": [...], "env": {...}}. The
plan is a list of [tool, arguments], each of which may refer to the id of the last video as "$video".
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError


async def run(mode: str, place: dict[str, Any], plan: list[list[Any]]) -> dict[str, Any]:
    """Connect, list the tools and call those of the plan."""
    if "command" in place:
        command, *arguments = place["command"]
        return await talk(
            Client(StdioServerParameters(command=command, args=arguments, env=place["env"]), mode=mode), plan
        )
    headers = {"Authorization": f"Bearer {place['key']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http:
        return await talk(Client(streamable_http_client(place["url"], http_client=http), mode=mode), plan)


async def talk(client: Client, plan: list[list[Any]]) -> dict[str, Any]:
    """Call the tools; the SDK holds each answer to its `outputSchema`."""
    async with client:
        tools = await client.list_tools()
        answers, video_id = [], ""
        for name, arguments in plan:
            told = {key: video_id if value == "$video" else value for key, value in arguments.items()}
            answer = await call(client, name, told)
            answers.append(answer)
            video_id = ((answer.get("structured") or {}).get("video") or {}).get("id", video_id)
        return {
            "version": client.protocol_version,
            "server": client.server_info.name if client.server_info else None,
            "tools": [tool.name for tool in tools.tools],
            "answers": answers,
        }


async def call(client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool, and a reading one again until it says that nothing is to come."""
    for _ in range(100):
        try:
            result = await client.call_tool(name, arguments)
        except MCPError as error:
            return {"error": error.error.code}
        structured = result.structured_content
        waits = name == "get_video" and (structured or {}).get("video", {}).get("stage") not in (
            "awaiting_approval",
            "done",
        )
        if not waits or result.is_error:
            break
        await asyncio.sleep(0.2)
    texts = [block.text for block in result.content]
    return {"structured": structured, "is_error": bool(result.is_error), "texts": texts}


async def run_all(agents: list[Any]) -> list[dict[str, Any]]:
    """Let all agents do their work at once: to import the SDK takes longer than that."""
    return await asyncio.gather(*(run(*agent) for agent in agents))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(run_all(json.load(sys.stdin)))))
