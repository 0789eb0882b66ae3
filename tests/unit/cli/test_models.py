"""`mediaposter models`: the catalog, of this package or of a stack, and whether a file extends it rightly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mediaposter.ai.catalog import built_in_catalog
from mediaposter.config import Settings
from tests.unit.cli.fake_api import FakeApi, reply
from tests.unit.cli.stack import Run, StackInMemory

HOUSE = """
[aliases]
house = "house-wan"

[models.house-wan]
provider = "sora"
durations_seconds = { min = 2, max = 5 }
sizes = ["1280x720", "720x1280"]
price_usd_per_second = { "720" = "0.01" }
expected_render_seconds = 240
capabilities = { list_jobs = true }

[models."luma.ray-v2:0"]
retires_on = 2026-11-23
replaced_by = "gen4.5"

[models."pika-2.2"]
retires_on = 2027-11-23
"""


def read_lines(out: str) -> dict[str, Any]:
    return {line["name"]: line for line in json.loads(out)}


def test_every_model_is_listed_without_a_stack(run: Run, stack: StackInMemory) -> None:
    outcome = run("models")

    named = {line.split()[0] for line in outcome.out.splitlines()[1:] if not line.startswith(" ")}
    assert named == set(built_in_catalog().models)
    assert (outcome.status, stack.looked_for) == (0, [])


def test_a_model_is_listed_with_all_it_offers(run: Run) -> None:
    lines = [line.split("  ") for line in run("models").out.splitlines()]
    rows = {cells[0].strip(): [cell.strip() for cell in cells if cell.strip()] for cells in lines}

    assert rows["model"] == ["model", "provider", "seconds", "sizes", "$ a second", "can"]
    assert rows["gen4.5"][1:] == ["runway", "2-10", "1280x720 720x1280", "720p 0.12", "first_frame, cancel, delete"]
    assert rows["pika-2.2"][2:5] == [
        "5 10",
        "16:9 9:16 1:1 4:5 5:4 3:2 2:3 in 720p 1080p",
        "720p 0.04, 1080p 0.09",
    ]


def test_a_name_that_leads_elsewhere_says_where(run: Run) -> None:
    lines = run("models").out.splitlines()
    stripped = [line.strip() for line in lines]

    assert stripped[stripped.index("the name leads to gemini-omni-1.2-flash") - 1].startswith("sora-2 ")
    assert stripped[stripped.index("= sora-2") - 1].startswith("gemini-omni-1.2-flash ")


def test_models_are_listed_as_json_for_scripts(run: Run) -> None:
    lines = read_lines(run("models", "--json").out)

    assert list(lines) == list(built_in_catalog().models)
    assert lines["gen4.5"] == {
        "name": "gen4.5",
        "aliases": [],
        "provider": "runway",
        "seconds": [2, 3, 4, 5, 6, 7, 8, 9, 10],
        "sizes": ["1280x720", "720x1280"],
        "price_usd_per_second": {"720": "0.12"},
        "can": ["first_frame", "cancel", "delete"],
        "retires_on": None,
        "replaced_by": None,
    }
    assert lines["gemini-omni-1.2-flash"]["aliases"] == ["sora-2", "sora-2-pro"]


def test_the_aliases_and_the_catalog_of_a_stack_count_too(run: Run, stack: StackInMemory) -> None:
    stack.settings = Settings.model_validate(
        {"CATALOG_KEY": "config/catalog.toml", "MODEL_ALIASES": "sora-2=gen4.5, sora-2-pro=sora-2-pro"}
    )
    stack.files["config/catalog.toml"] = HOUSE

    lines = read_lines(run("models", "--json", "--stack", "studio", "--endpoint-url", "http://localhost:1").out)

    assert lines["house-wan"]["aliases"] == ["house"]
    assert lines["gen4.5"]["aliases"] == ["sora-2"]
    assert lines["sora-2-pro"]["aliases"] == []
    assert stack.looked_for == [("studio", "http://localhost:1")]


def test_a_stack_without_a_catalog_of_its_own_has_the_built_in_one(run: Run, stack: StackInMemory) -> None:
    assert run("models", "--json", "--stack", "studio") == run("models", "--json", "--built-in")


def test_a_model_says_when_it_retires_and_what_comes_then(run: Run, stack: StackInMemory) -> None:
    stack.settings = Settings.model_validate({"CATALOG_KEY": "config/catalog.toml"})
    stack.files["config/catalog.toml"] = HOUSE

    out = run("models", "--stack", "studio").out

    assert "  retired 2026-11-23, then gen4.5\n" in out
    assert "  until 2027-11-23\n" in out


def test_a_catalog_of_a_stack_that_is_wrong_is_told(run: Run, stack: StackInMemory) -> None:
    stack.settings = Settings.model_validate({"MODEL_ALIASES": "sora-2=sora-9"})

    outcome = run("models", "--stack", "studio")

    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("The alias sora-2 leads to sora-9, which is no model here.")


class TestCheck:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [(None, "cannot be read: No such file or directory."), (b"\xff\xfe", "is not UTF-8.")],
    )
    def test_a_file_that_cannot_be_read_is_told(
        self, run: Run, tmp_path: Path, content: bytes | None, sentence: str
    ) -> None:
        path = tmp_path / "catalog.toml"
        if content is not None:
            path.write_bytes(content)

        assert run("models", "check", str(path)) == (1, "", f"{path} {sentence}\n")

    def test_a_file_that_extends_the_catalog_rightly_is_ok(self, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "catalog.toml"
        path.write_text(HOUSE)

        assert run("models", "check", str(path)) == (0, "ok\n", "")

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("[models", "The catalog is not TOML: "),
            (
                HOUSE.replace('provider = "sora"', ""),
                "The catalog is wrong at models.house-wan.provider: is required.",
            ),
            (HOUSE.replace('"0.01"', '"-1"'), "The catalog is wrong at models.house-wan: a price of -1 "),
            (
                HOUSE.replace("house-wan", "house-wan2", 1),
                "the alias house leads to house-wan2, which is no model here.",
            ),
        ],
    )
    def test_a_file_that_is_wrong_is_told_in_a_sentence(
        self, run: Run, tmp_path: Path, text: str, sentence: str
    ) -> None:
        path = tmp_path / "catalog.toml"
        path.write_text(text)

        outcome = run("models", "check", str(path))

        assert (outcome.status, outcome.out) == (1, "")
        assert sentence in outcome.err
        assert outcome.err.count("\n") == 1


def a_model(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "owned_by": "runway",
        "alias_of": None,
        "seconds": [5, 10],
        "sizes": ["1280x720"],
        "price_usd_per_second": {"720": "0.12"},
        "capabilities": {"audio": True, "image_roles": ["first_frame"], "remix": False, "of_tomorrow": True},
        **fields,
    }


def test_a_stack_that_is_found_is_asked_what_it_offers(ask: Run, api: FakeApi) -> None:
    models = [a_model("gen4.5"), a_model("sora-2", alias_of="gen4.5")]
    api.on("GET", "/models", reply({"object": "list", "data": models}))

    lines = read_lines(ask("models", "--json").out)

    assert list(lines) == ["gen4.5"]
    assert lines["gen4.5"]["aliases"] == ["sora-2"]
    assert lines["gen4.5"]["can"] == ["first_frame", "audio", "of_tomorrow"]


def test_the_models_of_this_package_are_asked_of_no_stack(ask: Run, api: FakeApi) -> None:
    assert "gen4.5" in ask("models", "--built-in").out
    assert api.seen == []


def test_a_stack_that_was_named_and_refuses_is_not_passed_over(ask: Run) -> None:
    outcome = ask("models", "--url", "http://stack.test")

    assert (outcome.status, outcome.out) == (1, "")
