"""A use case that takes a caller reads records for that caller; only the machine's own steps read unchecked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mediaposter.usecases
from mediaposter.domain.errors import NotFound
from mediaposter.stores.batches import Batch, BatchCaller, BatchSource, BatchStore
from mediaposter.stores.keys import Scope
from mediaposter.stores.videos import VideoStore
from tests.builders import NOW, VIDEO_ID, a_caller, a_video
from tests.fakes.table import InMemoryTable

PIPELINE = Path(mediaposter.usecases.__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


def takes_caller(function: ast.AST) -> bool:
    if not isinstance(function, Function):
        return False
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return any(each.annotation and re.search(r"\bCaller\b", ast.unparse(each.annotation)) for each in every)


def is_use_case(node: ast.AST) -> bool:
    """Tell whether a function takes a caller, or a class by a method of its own that others call."""
    if not isinstance(node, ast.ClassDef):
        return takes_caller(node)
    methods = [each for each in node.body if isinstance(each, Function)]
    return any(takes_caller(each) for each in methods if each.name.startswith("__") or not each.name.startswith("_"))


def find_unchecked(source: str) -> set[str]:
    """Find the lines where a use case that takes a caller, or a private function that it calls, reads unchecked."""
    module = ast.parse(source)
    helpers = {each.name: each for each in module.body if isinstance(each, Function) and each.name.startswith("_")}

    def list_reads(node: ast.AST, seen: frozenset[str]) -> Iterator[str]:
        for each in ast.walk(node):
            if isinstance(each, ast.Attribute) and each.attr.endswith("_unchecked"):
                yield f"line {each.lineno}: {ast.unparse(each)}"
            if isinstance(each, ast.Name) and each.id in helpers and each.id not in seen:
                yield from list_reads(helpers[each.id], seen | {each.id})

    return {read for node in ast.walk(module) if is_use_case(node) for read in list_reads(node, frozenset())}


@pytest.mark.parametrize("path", sorted(PIPELINE.glob("**/*.py")), ids=lambda path: path.stem)
def test_no_use_case_that_takes_a_caller_reads_unchecked(path: Path) -> None:
    assert find_unchecked(path.read_text(encoding="utf-8")) == set()


FOUND = {
    "a function": """
def read(videos, caller: Caller):
    return videos.get_unchecked("video_1")
""",
    "a private method of a class": """
class Read:
    def __call__(self, video_id: str, *, caller: Caller) -> Video:
        return self._find(video_id)

    def _find(self, video_id: str) -> Video:
        return self._videos.get_unchecked(video_id)
""",
    "a private function of the module": """
class Read:
    def posts(self, video_id: str, *, caller: Caller | None) -> list[Post]:
        return _list(self._posts, video_id)

def _list(posts, video_id):
    return posts.list_unchecked(video_id)
""",
    "what is handed on": """
class Read:
    def __init__(self, caller: "Caller") -> None:
        self._get = videos.get_unchecked
""",
}


@pytest.mark.parametrize("where", FOUND)
def test_an_unchecked_read_is_found_wherever_a_use_case_makes_it(where: str) -> None:
    assert len(find_unchecked(FOUND[where])) == 1


def test_a_step_of_the_machine_may_read_unchecked() -> None:
    step = """
class Take:
    def __call__(self, part: Part) -> None:
        self._submit(self._batches.get_unchecked(part.batch_id))

    def _submit(self, batch: Batch, caller: Caller) -> None:
        ...
"""

    assert find_unchecked(step) == set()


def test_a_read_for_a_caller_hides_another_owners_records() -> None:
    table = InMemoryTable()
    theirs = BatchCaller(owner="somebody", scopes=frozenset({Scope.CREATE}))
    source = BatchSource(key="batches/batch_1/input.jsonl", version_id="v1", format="jsonl")
    table.create(
        [
            a_video(owner="somebody"),
            Batch(id="batch_1", caller=theirs, source=source, created_at=NOW, updated_at=NOW),
        ]
    )
    admin = a_caller(scopes=frozenset({Scope.ADMIN}))

    with pytest.raises(NotFound, match=r"^There is no video video_1\.$"):
        VideoStore(table).get(VIDEO_ID, caller=a_caller())
    with pytest.raises(NotFound, match=r"^There is no batch batch_1\.$") as caught:
        BatchStore(table).get("batch_1", caller=a_caller())
    assert caught.value.what == "batch"
    assert VideoStore(table).get(VIDEO_ID, caller=admin).owner == "somebody"
    assert BatchStore(table).get("batch_1", caller=admin).caller == theirs
    assert VideoStore(table).get(VIDEO_ID, caller=a_caller(owner="somebody")).id == VIDEO_ID
