"""What a module may not do while it is imported."""

from __future__ import annotations

import shutil

import pytest

from tests.unit.checks.planting import PACKAGE, REPOSITORY, run_check

_DEEDS = {
    "os.environ['LIBRARY_TABLE']": "reads the environment",
    "os.getenv('LIBRARY_TABLE')": "reads the environment",
    "'LIBRARY_TABLE' in os.environ": "reads the environment",
    "dict(os.environ)": "reads the environment",
    "socket.socket().connect_ex(('127.0.0.1', 9))": "opens a connection",
    "socket.socket().bind(('127.0.0.1', 0))": "listens",
    "socket.getaddrinfo('127.0.0.1', 80)": "looks up a host",
    "subprocess.run(['true'], check=True)": "starts a process",
    "httpx.Client()": "builds a client: httpx",
    "openai.OpenAI(api_key='sk')": "builds a client: openai",
    "boto3.client('s3', 'us-east-1', aws_access_key_id='test', aws_secret_access_key='test')": "builds a client: boto",
    "Path(__file__).with_name('left.txt').write_text('')": "writes ",
    "Path(__file__).with_name('ai').joinpath('catalog.toml').read_text()": "reads catalog.toml",
}


@pytest.fixture(scope="module")
def loud_imports(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Plant every deed in one module, a line each, and give what the check finds."""
    root = tmp_path_factory.mktemp("loud")
    shutil.copytree(REPOSITORY / PACKAGE, root / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    (root / PACKAGE / "loud.py").write_text(
        "import os, socket, subprocess, boto3, httpx, openai; from pathlib import Path\n"
        "os.environ['LIBRARY_TABLE'] = 'videos'\n" + "\n".join(_DEEDS) + "\n"
    )
    return run_check("quiet_imports", root)[1]


def test_importing_any_module_does_nothing_else() -> None:
    assert run_check("quiet_imports", REPOSITORY) == (0, [])


@pytest.mark.parametrize("line", range(3, len(_DEEDS) + 3), ids=list(_DEEDS))
def test_a_deed_is_named_by_file_and_line(loud_imports: list[str], line: int) -> None:
    deed = list(_DEEDS.values())[line - 3]

    assert [
        finding
        for finding in loud_imports
        if finding.startswith(f"{PACKAGE}/loud.py:{line}: importing this module {deed}")
    ]
