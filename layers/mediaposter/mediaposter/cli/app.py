"""The Typer app: each group of commands is the module of its name.

To add a group: a module here with `app = create_group(…)`, and a line in `GROUPS`. To add a command without
subcommands, as `mediaposter accounts`: the same, with a single function on the app. The commands of `VIDEO_COMMANDS`
share modules: each is a command of its module's app.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

import mediaposter
from mediaposter.cli.session import Session
from mediaposter.domain.text import refuse_unwritable

PROGRAM = "mediaposter"
_WRONG_COMMAND_LINE = 2
GROUPS = MappingProxyType(
    {
        "accounts": "show what is connected at Blotato",
        "backup": "copy the data folder of a host, while it runs",
        "batch": "make many videos from a file, one a row",
        "doctor": "check the stack and its keys, and say what is missing",
        "keys": "make, list and revoke API keys",
        "mcp": "connect an agent's client on this machine, over stdin and stdout",
        "models": "list the models, and check your own catalog",
        "schedule": "make videos on a schedule, one row of a sheet each time",
        "secrets": "put the key of a provider where the stack reads it",
        "studio": "open the studio, a page to make and watch videos, in a browser",
        "up": "run MediaPoster in this process, on this machine",
        "usage": "show what was spent, and what is left of the day",
        "webhooks": "show the signing secret of webhooks",
    }
)


class Command(NamedTuple):
    """A command that shares its module with others."""

    module: str
    summary: str


VIDEO_COMMANDS = MappingProxyType(
    {
        "generate": Command("generate", "make a video, and post it if you say where"),
        "list": Command("videos", "list your videos"),
        "show": Command("videos", "show one video and its posts"),
        "events": Command("events", "show who did what to a video"),
        "watch": Command("videos", "follow a video or a batch until it is over"),
        "download": Command("videos", "fetch the MP4 of a video"),
        "remix": Command("derive", "make a new video from a finished one"),
        "edit": Command("derive", "change something in a finished video"),
        "extend": Command("derive", "let a finished video go on"),
        "post": Command("posts", "post a video to more accounts, or again"),
        "approve": Command("posts", "let a video that waits be posted"),
        "reject": Command("posts", "let a video that waits not be posted"),
        "move": Command("posts", "let a scheduled post go out at another time"),
        "resolve": Command("posts", "say what became of a post in doubt"),
        "cancel": Command("videos", "stop a video, or take back its scheduled posts"),
        "delete": Command("videos", "remove a video and its files"),
    }
)


class _LazyGroups(TyperGroup):
    """Imports a group when it is used: the shell asks at each Tab, and `models` needs no boto3."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name else None, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 (as Click calls it)
        with formatter.section("Videos"):
            formatter.write_dl([(name, command.summary) for name, command in VIDEO_COMMANDS.items()])
        with formatter.section("Everything else"):
            formatter.write_dl(list(GROUPS.items()))


def load_command(name: str) -> Any:
    """Import a command, or a group of commands."""
    if name in GROUPS:
        return get_command(import_module(f"mediaposter.cli.{name}").app)
    module = get_command(import_module(f"mediaposter.cli.{VIDEO_COMMANDS[name].module}").app)
    # An app with one command is that command.
    return module.commands[name] if isinstance(module, TyperGroup) else module


app = typer.Typer(
    cls=_LazyGroups,
    help="MediaPoster from the command line: make videos, post them, and run the stack that does it.",
    rich_markup_mode=None,
)


def _tell_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"{PROGRAM} {mediaposter.__version__}")
        raise typer.Exit


@app.callback()
def _take_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


for _name, (_, _summary) in VIDEO_COMMANDS.items():
    app.add_typer(typer.Typer(), name=_name, help=_summary)
for _name, _summary in GROUPS.items():
    app.add_typer(typer.Typer(), name=_name, help=_summary)


def run(words: Sequence[str], session: Session) -> int:
    """Run a command and return its exit status; 2 is a wrong command line, with one sentence on stderr.

    Raises:
        MediaPosterError: the command failed.
        ModuleNotFoundError: the command needs a package that is not installed.
    """
    for number, word in enumerate(words, start=1):
        # Python reads a byte that is not UTF-8 as a lone surrogate.
        try:
            refuse_unwritable(word)
        except ValueError as error:
            return _refuse(PROGRAM, f"word {number} of the command is not UTF-8, or {error}")
    try:
        status = get_command(app).main(args=words, prog_name=PROGRAM, standalone_mode=False, obj=session)
    except typer.Abort:
        # Ctrl-C at a question, before anything was done.
        raise KeyboardInterrupt from None
    except typer.TyperException as error:
        path = getattr(getattr(error, "ctx", None), "command_path", PROGRAM)
        # Typer's pydantic puts two words before the sentence of a ValueError.
        return _refuse(path, error.format_message().replace("Value error, ", "", 1))
    return int(status or 0)


def _refuse(path: str, sentence: str) -> int:
    # A sentence may end in a list of lines.
    end = "\n" if "\n" in sentence else " "
    full = sentence.rstrip()
    stop = "" if full.endswith((".", "?")) or "\n" in full else "."
    sys.stderr.write(f"{path}: {full}{stop}{end}See {path} --help.\n")
    return _WRONG_COMMAND_LINE
