"""The part of requirements.lock that an image needs: ``locked.py NAME…`` or ``locked.py --project EXTRA…``.

The lock file says of each package who wanted it (``# via``). So what is wanted by something that is wanted belongs to
it, and nothing else does: no test tools in an image. Standard library only.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normal(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> Iterator[tuple[str, str, set[str]]]:
    """Name, text and who wanted it, of each package."""
    for text in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if found := NAME.match(text):
            comments = " ".join(re.findall(r"^ +# *(?:via)?(.*)$", text, flags=re.MULTILINE))
            yield normal(found[0]), text, {normal(name) for name in NAME.findall(comments)}


def roots(project: dict[str, object], extras: list[str]) -> set[str]:
    """What the project itself asks for, with these extras."""
    table = project["project"]
    assert isinstance(table, dict)
    asked = list(table["dependencies"])
    for extra in extras:
        asked += table["optional-dependencies"][extra]
    found = set[str]()
    for text in asked:
        name = NAME.match(text)
        assert name is not None
        if normal(name[0]) == normal(table["name"]):
            found |= roots(project, re.split(r"[\s,]+", text[text.index("[") + 1 : text.index("]")].strip()))
        else:
            found.add(normal(name[0]))
    return found


def selected(lock: str, wanted: set[str]) -> str:
    """The lock file, as far as ``wanted`` needs it. ``KeyError`` for a name that is not in it."""
    known = {name: (text, by) for name, text, by in entries(lock)}
    if unknown := wanted - known.keys():
        raise KeyError(f"not in the lock file: {', '.join(sorted(unknown))}")
    chosen = set(wanted)
    while more := {name for name, (_, by) in known.items() if by & chosen} - chosen:
        chosen |= more
    return "".join(text for name, (text, _) in known.items() if name in chosen)


def main(arguments: list[str]) -> None:
    """Write it to stdout."""
    if arguments[:1] == ["--project"]:
        wanted = roots(tomllib.loads(Path("pyproject.toml").read_text()), arguments[1:])
    else:
        wanted = {normal(name) for name in arguments}
    sys.stdout.write(selected(Path("requirements.lock").read_text(), wanted))


if __name__ == "__main__":
    main(sys.argv[1:])
