"""The pool that draws the clips of the stand-ins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.render import RenderPool


@pytest.fixture
def pool() -> Iterator[RenderPool]:
    with RenderPool(clock=itertools.count(1000).__next__) as pool:
        yield pool


def test_an_identical_clip_is_rendered_once(pool: RenderPool) -> None:
    first = pool.submit("A cat", width=64, height=64, seconds=1)
    assert pool.submit("A cat", width=64, height=64, seconds=1) is first


@pytest.mark.parametrize("change", [{"prompt": "A dog"}, {"width": 96}, {"height": 96}, {"seconds": 2}])
def test_another_clip_is_another_render(pool: RenderPool, change: dict[str, str | int]) -> None:
    clip: dict[str, str | int] = {"prompt": "A cat", "width": 64, "height": 64, "seconds": 1}
    assert submit(pool, clip) != submit(pool, clip | change)


def submit(pool: RenderPool, clip: dict[str, str | int]) -> Path:
    render = pool.submit(
        str(clip["prompt"]), width=int(clip["width"]), height=int(clip["height"]), seconds=int(clip["seconds"])
    )
    return render.result(timeout=30).path


def test_a_finished_render_tells_its_file_and_time(pool: RenderPool) -> None:
    rendered = pool.submit("A cat", width=64, height=64, seconds=1).result(timeout=30)
    assert rendered.path.stat().st_size > 0
    assert rendered.finished_at == 1000


def test_the_files_go_when_the_pool_closes() -> None:
    with RenderPool() as pool:
        path = pool.submit("A cat", width=64, height=64, seconds=1).result(timeout=30).path
    assert not path.exists()
