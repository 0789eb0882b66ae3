"""What the check of README and docs finds, and how it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.prose import Figures, check_prose, count

LONG = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "decisions").mkdir(parents=True)
    (tmp_path / "README.md").write_text("# It\n\nSee [the page](docs/page.md#a-heading).\n")
    (tmp_path / "docs" / "page.md").write_text("# A page\n\n## A heading\n\nBack to [it](../README.md).\n")
    return tmp_path


def test_pages_whose_links_lead_somewhere_pass(pages: Path) -> None:
    assert list(check_prose(pages)) == []


@pytest.mark.parametrize(
    ("link", "finding"),
    [
        ("[a](none.md)", "docs/other.md:3: none.md: there is no such file"),
        ("[a](page.md#none)", "docs/other.md:3: page.md#none: there is no such heading"),
        ("[a](#none)", "docs/other.md:3: #none: there is no such heading"),
        ("[`a`](none.md)", "docs/other.md:3: none.md: there is no such file"),
    ],
)
def test_a_broken_link_is_named_with_its_line(pages: Path, link: str, finding: str) -> None:
    (pages / "docs" / "other.md").write_text(f"# Other\n\n{link}\n")

    assert list(check_prose(pages)) == [finding]


@pytest.mark.parametrize("text", ["```\n[a](none.md)\n```", "`[a](none.md)`", "[a](https://example.org/none.md)"])
def test_code_and_addresses_are_not_followed(pages: Path, text: str) -> None:
    (pages / "docs" / "other.md").write_text(f"# Other\n\n{text}\n")

    assert list(check_prose(pages)) == []


def test_a_page_of_long_sentences_is_found(pages: Path) -> None:
    (pages / "docs" / "other.md").write_text(f"# Other\n\n{LONG}\n")

    assert list(check_prose(pages)) == ["docs/other.md: 16.0 words a sentence on average, more than 15"]


def test_a_large_readme_is_found(pages: Path) -> None:
    (pages / "README.md").write_text("Short. " * 2_000)

    assert list(check_prose(pages)) == ["README.md: 14000 bytes, more than 9000"]


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("One two. Three four five.", Figures(2, 5)),
        ("Version 1.2 is `a b c` here.", Figures(1, 5)),
        ("- One two\n- Three\n\n| no | cell |\n\n# No heading", Figures(2, 3)),
        ("One [two](a.md) three\nfour.", Figures(1, 4)),
    ],
)
def test_sentences_and_words_are_counted_without_tables_and_headings(text: str, figures: Figures) -> None:
    assert count(text) == figures
