"""The compose files, the image and what ``init.sh`` makes, read as compose and Docker read them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.support.nodes import ROOT, clean_environment

COMPOSE = ROOT / "deploy" / "compose"
OVERS = ("sentinel", "cluster")  # files that go on top of the first
MOUNTED = {"volumes"}  # lists in which the same target is the same thing
REPLACED = {"command", "entrypoint", "test"}  # lists of which the later one counts
NAMED = {"networks", "depends_on"}  # lists that are short for a mapping


def compose_file(over: str | None = None) -> dict[str, Any]:
    """``docker-compose.yml`` as YAML has it, anchors followed; with one of ``OVERS`` on top, as compose merges them."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    if over is None:
        return read
    merged: dict[str, Any] = _merged(read, yaml.safe_load((COMPOSE / f"{over}.yml").read_text()))
    return merged


def _merged(one: Any, two: Any, key: str = "") -> Any:
    if key in NAMED:
        one, two = _mapping(one), _mapping(two)
    if isinstance(one, dict) and isinstance(two, dict):
        both = {name: _merged(one[name], two[name], name) for name in one.keys() & two.keys()}
        return one | two | both
    if isinstance(one, list) and isinstance(two, list) and key not in REPLACED:
        if key in MOUNTED:
            return list({each.split(":")[1]: each for each in [*one, *two]}.values())
        return [*one, *two]
    return one if two is None else two


def _mapping(names: Any) -> Any:
    return dict.fromkeys(names) if isinstance(names, list) else names


def image() -> dict[str, Any]:
    """``ENV`` (a mapping), ``ENTRYPOINT``, ``CMD`` (lists) and ``WORKDIR`` of the image's last stage."""
    last = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    said = dict(re.findall(r"^(ENV|ENTRYPOINT|CMD|WORKDIR) (.+)$", last, flags=re.MULTILINE))
    env = dict(re.findall(r"(\w+)=(\S+)", said["ENV"]))
    lists = {name: json.loads(said[name]) for name in ("ENTRYPOINT", "CMD")}
    return {"ENV": env, "WORKDIR": said["WORKDIR"], **lists}


def init(folder: Path, **more: str) -> Path:
    """Run ``init.sh``, with ``more`` in its environment; the folder it made."""
    command = ["sh", str(COMPOSE / "init.sh"), str(folder / "secrets")]
    environment = clean_environment() | {"HUB": f"{sys.executable} -m hub", "DOTENV": str(folder / ".env")} | more
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    return folder / "secrets"


def read_env(file: Path) -> dict[str, str]:
    """``NAME=value`` lines."""
    lines = (line.partition("=") for line in file.read_text().splitlines() if line)
    return {name: value for name, _, value in lines}


def fill(template: str, given: Mapping[str, str]) -> str:
    """``${NAME}`` of what is given, and nothing else (``NGINX_ENVSUBST_FILTER``)."""
    names = [name for name in given if re.match(given["NGINX_ENVSUBST_FILTER"], name)]
    return re.sub(r"\$\{(" + "|".join(names) + r")\}", lambda found: given[found[1]], template)
