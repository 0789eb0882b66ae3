"""`make cloud` and `make cloud-down`: template.yaml on MiniStack on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from sandbox.world import LOCAL_DIRECTORY, World, run_world

STACK_FILE = LOCAL_DIRECTORY / "stack.json"
_OUR_COMMANDS = ("-m sandbox.", "sandbox/run_ministack.py")


class StackFile(BaseModel):
    """What scripts read: how to reach the stack and its stand-ins, and which processes it is."""

    model_config = ConfigDict(frozen=True)

    base_url: str
    api_key: str
    endpoint_url: str
    provider_urls: dict[str, str]
    blotato_url: str
    table: str
    bucket: str
    state_machine_arn: str
    process_ids: tuple[int, ...]


def main() -> None:
    """Bring the product up, or end one left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    console = Console()
    if parser.parse_args().command == "down":
        bring_down(console)
    else:
        stay_up(console)


def stay_up(console: Console) -> None:
    """Bring the product up and keep it until Ctrl-C or SIGTERM."""
    if STACK_FILE.exists() and _find_ours(_read_stack_file().process_ids):
        console.print(f"A stack is up already, see {STACK_FILE}. End it first: make cloud-down")
        sys.exit(1)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with (
        console.status("Starting the cloud, building and deploying template.yaml…") as status,
        run_world(LOCAL_DIRECTORY, wait_scale=0.1) as world,
    ):
        status.stop()
        write_stack_file(world, STACK_FILE)
        try:
            _explain(console, world)
            ended.wait()
        finally:
            STACK_FILE.unlink(missing_ok=True)
    console.print("Ended.")


def bring_down(console: Console) -> None:
    """End a stack that was left behind; only processes that are its own."""
    if not STACK_FILE.exists():
        console.print("Nothing is up.")
        return
    for process_id in _find_ours(_read_stack_file().process_ids):
        try:
            os.kill(process_id, signal.SIGTERM)
        except ProcessLookupError:
            continue
        console.print(f"Ended process {process_id}.")
    STACK_FILE.unlink(missing_ok=True)


def write_stack_file(world: World, path: Path) -> None:
    """Write how to reach the stack, readable by this user alone: it has a key in it."""
    content = StackFile(
        **world.stack.model_dump(),
        provider_urls={name: stand_in.base_url for name, stand_in in world.providers.items()},
        blotato_url=world.blotato.base_url,
        process_ids=world.process_ids,
    )
    path.touch(mode=0o600)
    path.write_text(content.model_dump_json(indent=2) + "\n")


def _read_stack_file() -> StackFile:
    return StackFile.model_validate_json(STACK_FILE.read_text())


def _find_ours(process_ids: tuple[int, ...]) -> list[int]:
    """Give those that still run and still are what we started: ids are used again."""
    ours = []
    for process_id in process_ids:
        listed = subprocess.run(
            ["ps", "-o", "args=", "-p", str(process_id)], capture_output=True, text=True, check=False
        )
        if any(command in listed.stdout for command in _OUR_COMMANDS):
            ours.append(process_id)
    return ours


def _explain(console: Console, world: World) -> None:
    base_url, api_key = world.stack.base_url, world.stack.api_key
    console.print(f"\n[bold]MediaPoster is up.[/bold]  {STACK_FILE} has the same for scripts.\n")
    console.print(f"base URL  {base_url}\nAPI key   {api_key}\n", soft_wrap=True, highlight=False)
    console.print(
        f"curl {base_url}/videos -H 'Authorization: Bearer {api_key}' \\\n"
        "  -H 'Content-Type: application/json' -d '{\"prompt\": \"A paper boat on a rainy street\"}'\n",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print(
        f'from openai import OpenAI\n\nclient = OpenAI(base_url="{base_url}", api_key="{api_key}")\n'
        'video = client.videos.create_and_poll(prompt="A paper boat on a rainy street")\n'
        'client.videos.download_content(video.id).write_to_file("boat.mp4")\n',
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    console.print("Ctrl-C ends it.")


if __name__ == "__main__":
    main()
