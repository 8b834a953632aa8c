"""What a page takes from the document before its script runs, so that nothing flickers when it does.

Documents are data from elsewhere: whatever does not have the expected shape counts as absent.
"""

from collections.abc import Mapping
from typing import Any

THEMES = ("system", "light", "dark")
ACCENTS = ("iris", "moss", "coral", "ocean")
DENSITIES = ("comfortable", "compact")
LANGUAGES = ("en", "de", "fr", "fi")


def section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section that is an object, or an empty one."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def text(values: Mapping[str, Any], name: str) -> str:
    """A member that is a text, or an empty one."""
    value = values.get(name)
    return value if isinstance(value, str) else ""


def shown_name(document: Mapping[str, Any]) -> str:
    """What to call the person: the name they chose, else the one they signed in with."""
    return text(section(document, "profile"), "name") or text(section(document, "identity"), "name") or "you"


def _one_of(values: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = text(values, name)
    return value if value in known else known[0]


def looks_of(document: Mapping[str, Any]) -> dict[str, str]:
    """``language``, ``theme``, ``accent`` and ``density`` for the page's root element."""
    preferences = section(document, "preferences")
    return {
        "language": _one_of(section(document, "profile"), "language", LANGUAGES),
        "theme": _one_of(preferences, "theme", THEMES),
        "accent": _one_of(preferences, "accent", ACCENTS),
        "density": _one_of(preferences, "density", DENSITIES),
    }
