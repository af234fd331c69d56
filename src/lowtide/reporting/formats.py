"""The formats of ``lowtide report`` by name; each is a function of views."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from lowtide.reporting.view import RunView

__all__ = ["FORMATS"]

Render = Callable[[Sequence[RunView], bool], str]


def _lazy(module: str, function: str) -> Render:
    def render(views: Sequence[RunView], equivalences: bool) -> str:
        chosen: Render = getattr(import_module(f"lowtide.reporting.{module}"), function)
        return chosen(views, equivalences)

    return render


FORMATS: Final[dict[str, Render]] = {
    "text": _lazy("text", "report_text"),
    "markdown": _lazy("markdown", "report_markdown"),
    "json": _lazy("documents", "report_json"),
    "html": _lazy("html", "report_html"),
    "latex": _lazy("latex", "report_latex"),
    "neurips": _lazy("neurips", "report_neurips"),
    "huggingface": _lazy("huggingface", "report_huggingface"),
    "codecarbon-csv": _lazy("codecarbon", "report_codecarbon"),
}
