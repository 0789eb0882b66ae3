"""Run tests against the package without one of its guards each.

    python -m tests.unit.usecases.run_mutants                                every guard and the tests that it names
    python -m tests.unit.usecases.run_mutants <guard> <file or directory …>    which of those tests fail without it

Everything is imported and collected once. Each run is a fork, in which the one function that held the guard gets other
code: nothing is imported again, nothing is written, and no run knows of another.
"""

from __future__ import annotations

import ast
import gc
import importlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

import pytest

import mediaposter
from tests.unit.usecases.guards import GUARDS
from tests.unit.usecases.mutations import Marker, Mutation, NotApplicable, find_place, list_markers

PACKAGE = Path(mediaposter.__file__).parent
UNIT_TESTS = Path(__file__).parents[1]
UNCHANGED = "with all guards"
RUN_SECONDS = 60

Outcomes = dict[str, str]


class Outcome(StrEnum):
    """How a test ended without a guard; `BROKE` is a mutation that left a name without a value, and proves nothing."""

    PASSED = "passed"
    FAILED = "failed"
    BROKE = "broke"
    MISSING = "missing"
    ENDLESS = "told nothing in time"


_FUNCTIONS: dict[tuple[str, str, int], list[FunctionType]] = {}


class Trial(NamedTuple):
    """What to run in a fork: all that is collected if no test is named, once the process was changed."""

    tests: Sequence[str]
    change: Callable[[], None]


def run_forked(run: Callable[[], Outcomes], tests: Sequence[str]) -> Outcomes:
    """Run in a fork, and give what it tells; one that does not end in time tells nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(RUN_SECONDS)
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8") as told:
                json.dump(run(), told)
        finally:
            os._exit(0)  # whatever was raised: nothing of pytest's may go on in two processes
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        content = told.read()
    os.waitpid(child, 0)
    return json.loads(content) if content else dict.fromkeys(tests, Outcome.ENDLESS)


class Trials:
    """A pytest plugin that runs the collected tests once for each trial, in the place of pytest's own loop.

    A test is named by its function, and its parameters if one of its cases is meant: `test_it_works[twice]`.

    Attributes:
        outcomes: for each trial and each of its tests, how it ended; one of several cases that fails is enough.
    """

    def __init__(self, trials: Mapping[str, Trial]) -> None:
        self.outcomes: dict[str, Outcomes] = {}
        self._trials = trials
        self._raised: list[BaseException] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try everything."""
        for found in gc.get_objects():
            if type(found) is FunctionType and found.__code__.co_filename.startswith(str(PACKAGE)):
                _FUNCTIONS.setdefault(_locate(found.__code__), []).append(found)
        gc.freeze()  # or each fork would copy what the collector looks at
        items: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            for name in {item.name, item.name.partition("[")[0]}:
                items.setdefault(name, []).append(item)
        for name, trial in self._trials.items():
            wanted = {test: items.get(test, []) for test in trial.tests or [item.name for item in session.items]}
            self.outcomes[name] = run_forked(partial(self._run, wanted, trial.change), trial.tests)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
        """Keep what a test raised, in the place of a report: to write a traceback takes longer than most tests."""
        if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
            self._raised.append(call.excinfo.value)
        phase = "setup" if call.when == "collect" else call.when
        return pytest.TestReport(item.nodeid, item.location, {}, "passed", None, phase)

    def _run(self, wanted: Mapping[str, Sequence[pytest.Item]], change: Callable[[], None]) -> Outcomes:
        try:
            change()
        except NotApplicable as error:
            return dict.fromkeys(wanted, f"not tried: {error}")
        return {test: self._judge(items) for test, items in wanted.items()}

    def _judge(self, items: Sequence[pytest.Item]) -> Outcome:
        for item in items:
            self._raised.clear()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._raised:
                is_unnamed = any(isinstance(error, NameError) for error in self._raised)
                return Outcome.BROKE if is_unnamed else Outcome.FAILED
        return Outcome.PASSED if items else Outcome.MISSING


def run_trials(trials: Mapping[str, Trial], paths: Sequence[Path]) -> dict[str, Outcomes]:
    """Collect the tests of some files once, and try everything, quietly."""
    kept, silence = os.dup(sys.stdout.fileno()), os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(silence, sys.stdout.fileno())
    plugin = Trials(trials)
    try:
        code = pytest.main(["-q", "--tb=short", "-p", "no:cacheprovider", *map(str, paths)], plugins=[plugin])
    finally:
        sys.stdout.flush()
        os.dup2(kept, sys.stdout.fileno())
    if len(plugin.outcomes) != len(trials):
        raise RuntimeError(f"The tests were not collected: pytest ended with {code!r}.")
    return plugin.outcomes


def change_code(marker: Marker, mutations: Sequence[Mutation]) -> None:
    """Take a guard away, in this process.

    A function gets other code. A statement of a module runs again, and modules that imported it get
    the new one.

    Raises:
        NotApplicable: the code at the marker is not what the mutations are about.
    """
    place = find_place(marker)
    path = _find_path(place.tree, place.statement)
    for mutate in mutations:
        mutate(place)
    module = importlib.import_module(_name_module(marker.path))
    vars(module).update(place.injected)
    ast.fix_missing_locations(place.tree)
    function = next(
        ((at, node) for at, node in enumerate(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), None
    )
    if function is None:
        _run_again(module, place.tree, path)
        return
    at, node = function
    qualname = ".".join(outer.name for outer in path[: at + 1] if isinstance(outer, ast.ClassDef | type(node)))
    first_line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    whole = compile(place.tree, str(module.__file__), "exec", dont_inherit=True)
    new = next(code for code in _walk_code(whole) if (code.co_qualname, code.co_firstlineno) == (qualname, first_line))
    functions = _FUNCTIONS.get(_locate(new), [])
    if not functions:
        raise NotApplicable(f"{qualname} is not found in memory")
    for found in functions:
        found.__code__ = new


def _run_again(module: ModuleType, tree: ast.Module, path: Sequence[ast.AST]) -> None:
    if len(path) != 1 or not isinstance(path[0], ast.Assign | ast.AnnAssign):
        raise NotApplicable("it stands outside of functions, and assigns nothing")
    before = dict(vars(module))
    alone = ast.Module(body=[path[0]], type_ignores=[])
    exec(compile(alone, str(module.__file__), "exec", dont_inherit=True), vars(module))
    changed = {
        id(old): vars(module)[name]
        for name, old in before.items()
        if name in vars(module) and vars(module)[name] is not old
    }
    for other in list(sys.modules.values()):
        if getattr(other, "__name__", "").partition(".")[0] in (mediaposter.__name__, "functions", "tests"):
            for name, value in list(vars(other).items()):
                if id(value) in changed:
                    setattr(other, name, changed[id(value)])


def _find_path(tree: ast.Module, statement: ast.AST) -> list[ast.AST]:
    """List the statements around one, from the outside to it."""

    def descend(node: ast.AST) -> list[ast.AST] | None:
        for child in ast.iter_child_nodes(node):
            if child is statement:
                return [child]
            below = descend(child)
            if below is not None:
                return [child, *below]
        return None

    return descend(tree) or []


def _walk_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _walk_code(constant)


def _locate(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _name_module(path: Path) -> str:
    parts = (mediaposter.__name__, *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def main() -> None:
    """Try every guard and print how its tests ended; or name those of some files that fail without one."""
    markers = {marker.name: marker for marker in list_markers(PACKAGE)}
    wanted, paths = sys.argv[1:2], [Path(path) for path in sys.argv[2:]]
    guards = {
        name: guard for name, guard in GUARDS.items() if guard.marker in (wanted or markers) and guard.marker in markers
    }
    trials = {
        name: Trial(() if paths else guard.tests, partial(change_code, markers[guard.marker], guard.mutations))
        for name, guard in guards.items()
    }
    if not wanted:
        every_test = tuple(dict.fromkeys(test for guard in guards.values() for test in guard.tests))
        trials = {UNCHANGED: Trial(every_test, lambda: None), **trials}
        paths = find_files(every_test)
    outcomes = run_trials(trials, paths)
    for name in GUARDS.keys() - outcomes.keys() if not wanted else ():
        outcomes[name] = dict.fromkeys(GUARDS[name].tests, "not tried: its marker is gone")
    if wanted:
        outcomes = {
            name: {test: outcome for test, outcome in tests.items() if outcome != Outcome.PASSED}
            for name, tests in outcomes.items()
        }
    json.dump(outcomes, sys.stdout, indent=2)


def find_files(tests: Sequence[str]) -> list[Path]:
    """List the files that define some tests."""
    names = {test.partition("[")[0] for test in tests}
    defined = re.compile(r"^ *def (test_\w+)\(", re.MULTILINE)
    paths = sorted(UNIT_TESTS.rglob("test_*.py"))
    return [path for path in paths if names & set(defined.findall(path.read_text(encoding="utf-8")))]


if __name__ == "__main__":
    main()
