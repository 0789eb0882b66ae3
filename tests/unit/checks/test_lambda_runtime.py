"""What is tried on Lambda's Python: each handler with its own layers, and all that the layers hold."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from checks.cloudformation import read_template
from checks.lambda_runtime import Imports, check_imports, find_python, list_handlers, list_layers
from tests.unit.checks.planting import REPOSITORY, link_commands, put_command

_TEMPLATE = read_template(REPOSITORY / "template.yaml")
_LAYERS = {name: Path("/layers") / name for name in _TEMPLATE.of_type("AWS::Serverless::LayerVersion")}


def test_a_handler_has_its_own_code_and_layers_and_no_others() -> None:
    handlers = {handler.what: handler for handler in list_handlers(_TEMPLATE, _LAYERS)}

    assert handlers["SubmitFunction"] == Imports(
        "SubmitFunction", ("submit",), (REPOSITORY / "functions/http", _LAYERS["MediaPosterLayer"])
    )
    assert handlers["ProbeVideoFunction"].path[1:] == (_LAYERS["MediaPosterLayer"], _LAYERS["MediaLayer"])


def test_all_modules_of_a_layer_are_tried_but_those_of_the_command_line_and_the_host(tmp_path: Path) -> None:
    elsewhere = ("mediaposter/cli/__init__.py", "mediaposter/host/loop.py")
    for name in ("av/__init__.py", *elsewhere, "mediaposter/ai/waiting.py", "bin/tool.py", "one.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "mediaposter" / "__init__.py").touch()

    listed = list_layers(_TEMPLATE, dict.fromkeys(_LAYERS, tmp_path))

    assert listed[0].modules == ("av", "mediaposter", "mediaposter.ai.waiting", "one")


def test_what_is_neither_with_a_handler_nor_in_its_layer_is_a_finding(tmp_path: Path) -> None:
    code, layer = tmp_path / "code", tmp_path / "layer"
    for folder in (code, layer):
        folder.mkdir()
    (code / "app.py").write_text("import thing\n")
    (layer / "thing.py").touch()

    imports = [Imports("StoreVideoFunction", ("app",), (code,)), Imports("Other", ("app",), (code, layer))]
    (finding,) = check_imports(Path(sys.executable), imports, bytecode=tmp_path / "bytecode")

    assert finding.startswith("StoreVideoFunction: app does not import:")
    assert finding.endswith("ModuleNotFoundError: No module named 'thing'")


def test_a_machine_on_which_nothing_runs_3_13_has_no_lambda_python(tmp_path: Path) -> None:
    put_command(tmp_path / "shims" / "python3.13", "#!/bin/sh\nexit 127\n")
    path = os.pathsep.join([str(tmp_path / "shims"), str(link_commands(tmp_path / "bin"))])

    assert find_python({"PATH": path, "HOME": str(tmp_path), "UV_PYTHON_INSTALL_DIR": str(tmp_path)}) is None
