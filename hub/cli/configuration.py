"""``hub config``: the configuration in effect, written as TOML that reads back, and the table of all keys."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.cli.output import note, print_json
from hub.settings import config_path, load_settings, markdown_table, mask

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def check(config: Path | None, as_json: bool) -> None:
    """Print the effective settings, or fail with every mistake."""
    path = config_path(config, os.environ)
    settings = load_settings(path, os.environ)
    shown = mask(settings)
    if as_json:
        print_json(shown)
    else:
        print(f"# effective configuration ({path or 'no file'})")
        print("\n".join(to_toml(shown)))
    if not settings.identity_providers:
        note("no identity provider is configured: nobody can log in")


def table(as_json: bool) -> None:
    """Print the generated table of keys."""
    if as_json:
        from hub.settings.table import documented_fields

        print_json({key: field.description for key, field in documented_fields()})
    else:
        print(markdown_table(), end="")


def to_toml(tree: Mapping[str, object], path: tuple[str, ...] = ()) -> Iterator[str]:
    """JSON values as TOML lines: plain keys of a table first, then its tables."""
    tables = {key: value for key, value in tree.items() if isinstance(value, dict) and _opens_tables(path, key, value)}
    for key, value in tree.items():
        if key not in tables and (path or value != {}):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        here = (*path, key)
        if not all(isinstance(inner, dict) for inner in value.values()) or not value:
            yield ""
            yield f"[{'.'.join(map(_key, here))}]"
        yield from to_toml(value, here)


def _opens_tables(path: tuple[str, ...], key: str, value: Mapping[str, object]) -> bool:
    return bool(value) and (not path or (len(path) == 1 and path[0] not in ("session", "limits", "keys")))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _value(value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items() if inner is not None)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
