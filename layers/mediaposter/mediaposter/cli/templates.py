"""The options of commands that fill the columns of a sheet into texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

import typer

from mediaposter.wire.row_templates import check_template

PromptTemplate: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--template",
        parser=check_template,
        metavar="TEXT",
        help="The prompt of each row, with its columns in braces: 'A {product} on {place}'.",
    ),
]
TextTemplate: TypeAlias = Annotated[
    str | None,
    typer.Option("--text-template", parser=check_template, metavar="TEXT", help="The caption of each row, likewise."),
]
TitleTemplate: TypeAlias = Annotated[
    str | None,
    typer.Option("--title-template", parser=check_template, metavar="TEXT", help="The title of each row, likewise."),
]


def name_templates(prompt: str | None, text: str | None, title: str | None) -> Mapping[str, str]:
    """Give the templates that were written, by the field that each makes."""
    texts = {"prompt": prompt, "text": text, "title": title}
    return {field: template for field, template in texts.items() if template is not None}
