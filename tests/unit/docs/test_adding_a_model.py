"""docs/adding-a-model.md, followed to the letter in a copy of the checkout; the blocks of the page are the code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).parents[3]
PAGE = (CHECKOUT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
COPIED = (
    "functions",
    "layers/mediaposter/mediaposter",
    "pyproject.toml",
    "sandbox",
    "tests/__init__.py",
    "tests/fakes",
    "tests/unit/ai/replies",
    "tests/unit/ai/test_provider_contract.py",
    "tests/unit/conftest.py",
)
PYTHON = ".venv/bin/python"
IMPORTS = ".venv/bin/lint-imports"
ADAPTER = "layers/mediaposter/mediaposter/ai/kites_model.py"
CATALOG = "layers/mediaposter/mediaposter/ai/catalog.toml"
CONTRACT = "tests/unit/ai/replies/kites/contract.json"

BLOCK = re.compile(
    r"(?:^(?P<end>At the end of )?`(?P<path>[\w./-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Call(NamedTuple):
    """What the page had run, what that printed, and what the page shows of it."""

    command: str
    exit_code: int
    printed: str
    shown: str


class Walk(NamedTuple):
    """A copy of the checkout in which everything on the page was done, and what came of it."""

    root: Path
    calls: list[Call]

    def find(self, part: str) -> list[Call]:
        return [call for call in self.calls if part in call.command]


def run(root: Path, command: Sequence[str], text: str = "") -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root / "layers" / "mediaposter"),
        "PYTHONUTF8": "1",
        "KITES_API_KEY": "kt_of_the_test",
    }
    done = subprocess.run(
        command,
        cwd=root,
        env=environment,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout


def copy_checkout(root: Path) -> None:
    for name in COPIED:
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (root / ".venv").symlink_to(sys.prefix)


def follow_page(root: Path) -> list[Call]:
    """Write the files of the page and run its commands in their order, but for those that call AWS."""
    calls = []
    blocks = list(BLOCK.finditer(PAGE))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        language, text = block["language"], block["text"]
        if block["path"] is not None:
            path = root / block["path"]
            assert path.exists() is (block["end"] is not None), path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
            continue
        shown = following["text"] if following is not None and following["language"] == "text" else ""
        if language == "python":
            calls.append(Call(text, *run(root, [PYTHON, "-"], text), shown))
        elif language == "sh" and text.startswith(PYTHON):
            calls.append(Call(text, *run(root, shlex.split(text)), shown))
        else:
            assert language == "text" or text.startswith(("aws ", "sam ")), text
    return calls


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    root = tmp_path_factory.mktemp("checkout")
    copy_checkout(root)
    return Walk(root, follow_page(root))


def test_the_contract_test_asks_for_the_replies_before_they_are_there_and_passes_with_them(walk: Walk) -> None:
    before, after = walk.find("-m pytest")
    assert before.exit_code == 1
    assert f"{CONTRACT} is missing: write " in before.printed
    assert after.exit_code == 0, after.printed
    assert " failed" not in after.printed


def test_the_pages_python_runs(walk: Walk) -> None:
    calls = walk.find("import ")
    assert len(calls) == 3
    for call in calls:
        assert call.exit_code == 0, call.printed


def test_what_the_page_shows_is_what_is_printed(walk: Walk) -> None:
    for call in walk.calls:
        assert call.shown, call.command
        printed = iter(call.printed.splitlines())
        for line in call.shown.splitlines():
            pattern = ".*".join(map(re.escape, line.split("…")))
            assert any(re.search(pattern, other) for other in printed), f"{line}\nis not in\n{call.printed}"


def test_the_pages_adapter_keeps_the_rules_of_the_house(walk: Walk) -> None:
    for command in (
        [PYTHON, "-m", "ruff", "format", "--check", ADAPTER],
        [PYTHON, "-m", "ruff", "check", ADAPTER],
        # What `make check` has learned of all other files holds for their copies.
        [PYTHON, "-m", "mypy", "--cache-dir", str(CHECKOUT / ".mypy_cache"), ADAPTER],
        [IMPORTS],
    ):
        exit_code, printed = run(walk.root, command)
        assert exit_code == 0, printed


# What is forgotten

USE = [PYTHON, "-c", "from mediaposter.ai.video_model_factory import create_video_model; create_video_model('kites')"]
JUDGE = [PYTHON, "-m", "pytest", "tests/unit/ai/test_provider_contract.py", "-k"]
LINT = [PYTHON, "-m", "ruff", "check", ADAPTER]


class Fault(NamedTuple):
    """A text of a file, what stands there instead, and what is run then."""

    path: str
    old: str
    new: str
    command: Sequence[str]


FAULTS = {
    "The provider kites has no variant 'None'. It has: none.": Fault(
        CATALOG, 'provider = "kites"', 'provider = "kite"', USE
    ),
    "The catalog is wrong at models.kites-3: 1920x1080 has no price": Fault(
        CATALOG,
        '"720x1280"]\nprice_usd_per_second = { "720" = "0.08" }',
        '"1920x1080"]\nprice_usd_per_second = { "720" = "0.08" }',
        USE,
    ),
    "mediaposter.ai.kites_model defines no video model with provider = 'kites'.": Fault(
        ADAPTER, 'provider = "kites"', 'provider = "kite"', USE
    ),
    f"{CONTRACT} lacks a situation.": Fault(CONTRACT, '"blocked": "moderated",', "", [*JUDGE, "kites", "-x"]),
    "test_an_option_that_the_row_does_not_list_is_refused_before_anything_is_sent": Fault(
        ADAPTER, "**self.check_options(request)", "**request.provider_options", [*JUDGE, "kites and (option or offers)"]
    ),
    "The model kites/kites-3 does not offer remix_video.": Fault(
        CATALOG,
        '{ "720" = "0.08" }\nexpected_render_seconds = 60\n',
        '{ "720" = "0.08" }\nexpected_render_seconds = 60\ncapabilities = { remix = true }\n',
        [*JUDGE, "kites and (option or offers)"],
    ),
    "Only aws.py reads the environment; keys and addresses are arguments.": Fault(
        ADAPTER, "from types import", "from os import environ\nfrom types import", LINT
    ),
    "mediaposter.ai.kites_model is not allowed to import boto3:": Fault(
        ADAPTER, "from pydantic import", "import boto3\nfrom pydantic import", [IMPORTS]
    ),
    "mediaposter.ai.kites_model is not allowed to import mediaposter.ai.kites_wire:": Fault(
        ADAPTER,
        "from mediaposter.domain.errors",
        "from mediaposter.ai.kites_wire import read_render\nfrom mediaposter.domain.errors",
        [IMPORTS],
    ),
}


def test_every_row_of_the_table_is_tried_here() -> None:
    rows = re.findall(r"^\| .+ \| (?:any use|`make \w+`): `(.+)` \|$", PAGE, re.MULTILINE)
    assert rows == list(FAULTS)


# Those that one run finds, all of them; what is said when a model is used, is said of the first.
TRIES = [
    *([sentence] for sentence, fault in FAULTS.items() if fault.command == USE),
    *(
        [sentence for sentence, fault in FAULTS.items() if fault.command == command]
        for command in (LINT, [IMPORTS], [*JUDGE, "kites", "-x"], [*JUDGE, "kites and (option or offers)"])
    ),
]


@pytest.mark.parametrize("sentences", TRIES, ids=lambda sentences: sentences[0])
def test_what_is_forgotten_is_said_as_the_page_says(walk: Walk, tmp_path: Path, sentences: list[str]) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(walk.root, root, symlinks=True)
    (root / "layers/mediaposter/mediaposter/ai/kites_wire.py").touch()
    for fault in (FAULTS[sentence] for sentence in sentences):
        text = (root / fault.path).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1
        (root / fault.path).write_text(text.replace(fault.old, fault.new), encoding="utf-8")

    exit_code, printed = run(root, FAULTS[sentences[0]].command)

    assert exit_code == 1
    for sentence in sentences:
        assert sentence in printed


# What is not run


def test_the_parameters_and_secrets_that_the_page_names_are_those_of_the_template() -> None:
    template = (CHECKOUT / "template.yaml").read_text(encoding="utf-8")
    named = re.findall(r"--parameter-overrides (.+)", PAGE)
    parameters = {word.partition("=")[0] for words in named for word in words.split()}
    assert parameters == {"CatalogKey", "ProviderBaseUrls"}
    assert all(f"\n  {parameter}:\n    Type: String\n" in template for parameter in parameters)
    assert "--name /mediaposter/mediaposter/providers/kites-api-key " in PAGE
    assert ":parameter/mediaposter/${AWS::StackName}/providers/*" in template
