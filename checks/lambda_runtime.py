"""Run on Lambda's Python, with the boto3 that Lambda brings, what runs there: `make lambda`.

Each handler is imported in a process of its own, with nothing on its path but its code and its layers. So is all that
the layers hold, for handlers import most of it late. Then come the unit tests of what another Python may do otherwise.
Where no Python 3.13 runs, it says so and passes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from checks.cloudformation import Template, read_template

TESTS = ("tests/unit/library", "tests/unit/streaming", "tests/unit/functions", "tests/unit/test_bootstrap.py")
# Half of their time goes into rules of our own over one table, which no Python changes.
LEFT_OUT = (
    "tests/unit/library/test_job_waits.py",
    "tests/unit/library/test_keys.py",
    "tests/unit/library/test_slots.py",
    "tests/unit/library/test_video_lists.py",
    "tests/unit/functions/test_batches.py",
    "tests/unit/functions/test_intake.py",
    "tests/unit/functions/test_notify.py",
    "tests/unit/functions/test_posts.py",
)
_FUNCTION = "AWS::Serverless::Function"
_LAYER = "AWS::Serverless::LayerVersion"
# In no layer is what this needs, and no function imports it.
_COMMAND_LINE = "mediaposter.cli"
_PROCESSES = 2
_IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"


@dataclass(frozen=True)
class Imports:
    """What a process imports, and what it has on its path."""

    what: str
    modules: tuple[str, ...]
    path: tuple[Path, ...]


def main() -> None:
    """Import every handler, run the tests, and exit 1 if anything fails."""
    root = Path(__file__).parent.parent
    python = find_python(root)
    if python is None:
        print(
            "NOT RUN: no Python 3.13 runs here, so nothing was tried on the Python that the Lambdas have.", flush=True
        )
        return
    tools = root / ".tools"
    runtime = _make_runtime(root, python, tools / "lambda")
    with tempfile.TemporaryDirectory(prefix="layers-") as directory:
        template = read_template(root / "template.yaml")
        layers = build_layers(root, template, runtime, Path(directory))
        imports = [*list_handlers(root, template, layers), *list_layers(template, layers)]
        findings = check_imports(runtime, imports)
    for finding in findings:
        print(finding)
    print(
        f"{python}: {len(imports) - len(findings)} of {len(imports)} imports of handlers and layers went well.",
        flush=True,
    )
    failed = _run_tests(root, _make_environment(root, python, tools / "python3.13"))
    sys.exit(1 if findings or failed else 0)


def find_python(root: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Find the Python that the layers are compiled with: the first 3.13 of PATH, of pyenv and of uv that runs."""
    environment = {name: value for name, value in environment.items() if name != "LAYER_PYTHON"}
    done = subprocess.run(
        ["make", "--silent", "--directory", root / "layers" / "mediaposter", "python", f"UV={find_uv_bin()}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip()) if done.stdout.strip() else None


def build_layers(root: Path, template: Template, python: Path, directory: Path) -> dict[str, Path]:
    """Build each layer of a template as `sam build` does, but for this machine; give where its modules are."""

    def build(name: str) -> Path:
        subprocess.run(
            [
                "make",
                "--silent",
                "--directory",
                root / template.resources[name].properties["ContentUri"],
                f"build-{name}",
            ],
            env={
                **os.environ,
                "ARTIFACTS_DIR": str(directory / name),
                "LAYER_PYTHON": str(python),
                "UV": find_uv_bin(),
            },
            check=True,
        )
        return directory / name / "python"

    with ThreadPoolExecutor(_PROCESSES) as pool:
        names = list(template.of_type(_LAYER))
        return dict(zip(names, pool.map(build, names), strict=True))


def list_handlers(root: Path, template: Template, layers: Mapping[str, Path]) -> list[Imports]:
    """List the handlers of a template, each with its own code and its own layers."""
    return [
        Imports(
            what=name,
            modules=(function.properties["Handler"].rpartition(".")[0],),
            path=(
                root / function.properties["CodeUri"],
                *(layers[layer] for layer in _list_layers_of(template, function.properties)),
            ),
        )
        for name, function in template.of_type(_FUNCTION).items()
    ]


def list_layers(template: Template, layers: Mapping[str, Path]) -> list[Imports]:
    """List all that each layer holds, beside the layers that every function has."""
    shared = [layers[name] for name in _list_layers_of(template, {})]
    return [
        Imports(
            what=name,
            modules=tuple(_list_modules(layer)),
            path=(layer, *(other for other in shared if other != layer)),
        )
        for name, layer in layers.items()
    ]


def check_imports(python: Path, imports: Iterable[Imports]) -> list[str]:
    """Try imports, each in a process of its own, and give the last words of those that fail."""

    def find_fault(tried: Imports) -> str | None:
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run(
                [python, "-c", _IMPORT, *tried.modules],
                cwd=empty,
                # Powertools looks by these whether it is in Lambda, and loads more there.
                env={
                    "PYTHONPATH": os.pathsep.join(map(str, tried.path)),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "AWS_REGION": "us-east-1",
                    "AWS_LAMBDA_FUNCTION_NAME": tried.what,
                    "LAMBDA_TASK_ROOT": str(tried.path[0]),
                },
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode == 0:
            return None
        return f"{tried.what}: {', '.join(tried.modules[:1])} does not import:\n{done.stderr.strip()}"

    with ThreadPoolExecutor(_PROCESSES) as pool:
        return [fault for fault in pool.map(find_fault, imports) if fault]


def _list_layers_of(template: Template, properties: Mapping[str, Sequence[Mapping[str, str]]]) -> list[str]:
    # SAM adds a function's own layers to those of Globals.
    return [layer["Ref"] for layer in [*template.globals.get("Layers", []), *properties.get("Layers", [])]]


def _list_modules(layer: Path) -> list[str]:
    """List the packages and modules at the top of a layer, and all modules of ours."""
    tops = {path.name.partition(".")[0] for path in layer.iterdir() if path.suffix in {".py", ".so"}}
    tops |= {path.parent.name for path in layer.glob("*/__init__.py")}
    ours = {
        ".".join(path.relative_to(layer).with_suffix("").parts).removesuffix(".__init__")
        for path in layer.glob("mediaposter/**/*.py")
    }
    return sorted(tops | {module for module in ours if not f"{module}.".startswith(f"{_COMMAND_LINE}.")})


def _make_runtime(root: Path, python: Path, directory: Path) -> Path:
    """Make an environment that has what Lambda brings, and give its Python."""
    _run_uv("venv", "--clear", "--python", str(python), str(directory))
    return _install_runtime(root, directory)


def _make_environment(root: Path, python: Path, directory: Path) -> Path:
    """Make the project's environment with Lambda's own boto3, and give its Python."""
    _run_uv(
        *("sync", "--frozen", "--project", str(root), "--python", str(python)),
        environment={**os.environ, "UV_PROJECT_ENVIRONMENT": str(directory)},
    )
    return _install_runtime(root, directory)


def _install_runtime(root: Path, directory: Path) -> Path:
    python = directory / "bin" / "python"
    _run_uv("pip", "install", "--python", str(python), "--require-hashes", "-r", str(root / "tools" / "lambda.txt"))
    return python


def _run_uv(*arguments: str, environment: Mapping[str, str] = os.environ) -> None:
    subprocess.run([find_uv_bin(), "--quiet", *arguments], env=environment, check=True)


def _run_tests(root: Path, python: Path) -> bool:
    """Run the tests, and tell whether any failed."""
    left_out = (f"--ignore={path}" for path in LEFT_OUT)
    # Without its cache: that is of the project's own Python.
    options = ("--numprocesses", str(_PROCESSES), "--dist", "loadfile", "-p", "no:cacheprovider")
    done = subprocess.run([python, "-m", "pytest", *options, *left_out, *TESTS], cwd=root, check=False)
    return done.returncode != 0


if __name__ == "__main__":
    main()
