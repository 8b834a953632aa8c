"""HTML from files with ``$name`` places. Every value is escaped unless it is `Html` already."""

from html import escape
from pathlib import Path
from string import Template


class Html(str):
    """Text that is HTML and may stand in a page as it is."""

    __slots__ = ()


def fill(template: Path, **values: str) -> Html:
    """The template with its places filled; a missing value is a `KeyError`, so no page is half made."""
    safe = {name: value if isinstance(value, Html) else escape(value) for name, value in values.items()}
    return Html(Template(template.read_text(encoding="utf-8")).substitute(safe))


def join(parts: list[Html]) -> Html:
    """Fragments after one another."""
    return Html("".join(parts))
