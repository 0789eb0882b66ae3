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
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from uv import find_uv_bin

from checks.cloudformation import Template, read_template
from checks.command import ROOT

# Storing and streaming, and where else our code meets what is compiled, typed at run time or made by AWS: sockets,
# JSON, MP4s, pydantic, boto3, Powertools. The rest is rules of our own, which no Python changes.
TESTS = (
    "tests/unit/test_aws.py",
    "tests/unit/http",
    "tests/unit/media",
    *(f"tests/unit/stores/test_{name}.py" for name in ("bucket", "checked_model", "media", "table")),
    *(f"tests/unit/functions/test_{name}.py" for name in ("events", "handlers", "routes", "table_stream", "webhooks")),
)
# In no layer is what these need, and no function imports them.
_ELSEWHERE = ("mediaposter.cli", "mediaposter.host")
_PROCESSES = 2
_IMPORT = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"


class Imports(NamedTuple):
    """What a process imports, and what it has on its path."""

    what: str
    modules: tuple[str, ...]
    path: tuple[Path, ...]


def main() -> None:
    """Import every handler, run the tests, and exit 1 if anything fails."""
    python = find_python()
    if python is None:
        print(
            "NOT RUN: no Python 3.13 runs here, so nothing was tried on the Python that the Lambdas have.", flush=True
        )
        return
    bare, whole = install_lambda(python), ROOT / ".tools/python3.13"
    _run_uv("sync", "--frozen", "--project", str(ROOT), "--python", str(python), UV_PROJECT_ENVIRONMENT=str(whole))
    _install_what_lambda_has(whole / "bin/python")
    template = read_template(ROOT / "template.yaml")
    with tempfile.TemporaryDirectory(prefix="layers-") as directory:
        layers = build_layers(template, bare, Path(directory))
        imports = [*list_handlers(template, layers), *list_layers(template, layers)]
        findings = check_imports(bare, imports, bytecode=Path(directory) / "bytecode")
    print(
        *findings,
        f"{python}: {len(imports) - len(findings)} of {len(imports)} imports of handlers and layers went well.",
        sep="\n",
        flush=True,
    )
    # Without its cache, which is of the project's own Python. One process: `make test` has others beside it.
    options = ("-q", "-p", "no:cacheprovider", "--hypothesis-profile", "lambda")
    tests = subprocess.run([whole / "bin/python", "-m", "pytest", *options, *TESTS], cwd=ROOT, check=False)
    sys.exit(1 if findings or tests.returncode else 0)


def find_python(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Find the Python that the layers are compiled with: the first 3.13 of PATH, of pyenv and of uv that runs."""
    done = subprocess.run(
        ["make", "--silent", "--directory", ROOT / "layers/mediaposter", "python", f"UV={find_uv_bin()}"],
        env={name: value for name, value in environment.items() if name != "LAYER_PYTHON"},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip()) if done.stdout.strip() else None


def install_lambda(python: Path) -> Path:
    """Make an environment of a Python that has what Lambda brings and nothing else, and give its Python."""
    _run_uv("venv", "--clear", "--python", str(python), str(ROOT / ".tools/lambda"))
    bare = ROOT / ".tools/lambda/bin/python"
    _install_what_lambda_has(bare)
    return bare


def _install_what_lambda_has(python: Path) -> None:
    requirements = ("--require-hashes", "-r", str(ROOT / "tools/lambda.txt"))
    _run_uv("pip", "install", "--python", str(python), *requirements)


def list_handlers(template: Template, layers: Mapping[str, Path]) -> list[Imports]:
    """List the handlers of a template, each with its own code and its own layers."""
    handlers = []
    for name, function in template.of_type("AWS::Serverless::Function").items():
        code = ROOT / function.properties["CodeUri"]
        path = (code, *(layers[layer] for layer in _list_layers_of(template, function.properties)))
        handlers.append(Imports(name, (function.properties["Handler"].rpartition(".")[0],), path))
    return handlers


def list_layers(template: Template, layers: Mapping[str, Path]) -> list[Imports]:
    """List all that each layer holds, beside the layers that every function has."""
    shared = [layers[name] for name in _list_layers_of(template, {})]
    return [
        Imports(name, tuple(_list_modules(layer)), (layer, *(other for other in shared if other != layer)))
        for name, layer in layers.items()
    ]


def check_imports(python: Path, imports: Iterable[Imports], *, bytecode: Path) -> list[str]:
    """Try imports, each in a process of its own, and give the last words of those that fail.

    They share the directory of their bytecode: what one has compiled, the others read.
    """

    def find_fault(tried: Imports) -> str | None:
        with tempfile.TemporaryDirectory() as empty:
            done = subprocess.run(
                [python, "-c", _IMPORT, *tried.modules],
                cwd=empty,
                # Powertools looks by these whether it is in Lambda, and loads more there.
                env={
                    "PYTHONPATH": os.pathsep.join(map(str, tried.path)),
                    "PYTHONPYCACHEPREFIX": str(bytecode),
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


def build_layers(template: Template, python: Path, directory: Path) -> dict[str, Path]:
    """Build each layer of a template as `sam build` does, but for this machine; give where its modules are."""
    layers = template.of_type("AWS::Serverless::LayerVersion")

    def build(name: str) -> Path:
        variables = {"ARTIFACTS_DIR": str(directory / name), "LAYER_PYTHON": str(python), "UV": find_uv_bin()}
        command = ["make", "--silent", "--directory", ROOT / layers[name].properties["ContentUri"], f"build-{name}"]
        subprocess.run(command, env={**os.environ, **variables}, check=True)
        return directory / name / "python"

    with ThreadPoolExecutor(_PROCESSES) as pool:
        return dict(zip(layers, pool.map(build, layers), strict=True))


def _list_layers_of(template: Template, properties: Mapping[str, Any]) -> list[str]:
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
    return sorted(
        tops | {module for module in ours if not f"{module}.".startswith(tuple(f"{name}." for name in _ELSEWHERE))}
    )


def _run_uv(*arguments: str, **environment: str) -> None:
    subprocess.run([find_uv_bin(), "--quiet", *arguments], env={**os.environ, **environment}, check=True)


if __name__ == "__main__":
    main()
