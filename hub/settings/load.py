"""``hub.toml``, then ``HUB_*``, then flags → one frozen :class:`Settings`.

All that is wrong is reported at once, one line each, with the dotted key and where it came from. No value is repeated
in a message: it may be a secret.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import orjson
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hub.errors import ConfigurationError
from hub.settings.model import Settings
from hub.settings.rules import complete, problems

PREFIX = "HUB_"
NO_SETTINGS = frozenset({"HUB_CONFIG", "HUB_TOKEN"})
NO_SETTINGS_PREFIX = "HUB_TEST_"
DEFAULT_FILE = Path("hub.toml")

Tree = dict[str, object]
Origins = dict[tuple[str, ...], str]


def config_path(flag: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file to read: ``--config``, ``HUB_CONFIG``, ``./hub.toml``, or none."""
    if flag is not None:
        return flag
    if environ.get("HUB_CONFIG"):
        return Path(environ["HUB_CONFIG"])
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def load_settings(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """The effective settings.

    ``overrides`` may be nested or dotted (``{"session.idle": "2s"}``); ``None`` values do not count.
    Raises :class:`ConfigurationError`, one line per problem.
    """
    environ = os.environ if environ is None else environ
    tree, origins = _read_file(path), Origins()
    _merge_environment(tree, environ, origins, pointed=set(_pointed_to([tree, overrides or {}])))
    _merge_overrides(tree, overrides or {}, origins)
    base = path.resolve().parent if path else Path.cwd()
    try:
        settings = Settings.model_validate(tree, context={"base": base, "environ": environ})
    except ValidationError as error:
        raise ConfigurationError("\n".join(_lines(error, origins, path))) from None
    wrong = [_line(tuple(key.split(".")), said, origins, path) for key, said in problems(settings)]
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return complete(settings)


def _read_file(path: Path | None) -> Tree:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such configuration file") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8 text") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None


def _merge_environment(tree: Tree, environ: Mapping[str, str], origins: Origins, pointed: set[str]) -> None:
    found = [name for name in environ if name.upper().startswith(PREFIX)]
    names = {name: tuple(name[len(PREFIX) :].lower().split("__")) for name in found}
    pointed = pointed | {environ[name] for name, keys in names.items() if keys[-1].endswith("_env")}
    for name, keys in sorted(names.items()):
        if name in NO_SETTINGS or name.startswith(NO_SETTINGS_PREFIX) or name in pointed:
            continue
        origins[_put(tree, keys, _from_text(environ[name]))] = name


def _pointed_to(node: object) -> Iterator[str]:
    """Names of environment variables that some ``…_env`` points to."""
    if isinstance(node, list):
        for item in node:
            yield from _pointed_to(item)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key.endswith("_env") and isinstance(value, str):
                yield value
            yield from _pointed_to(value)


def _from_text(text: str) -> object:
    """A variable that holds a JSON array or object counts as that; anything else stays text."""
    if text[:1] in ("[", "{"):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
    return text


def _merge_overrides(tree: Tree, overrides: Mapping[str, object], origins: Origins, at: tuple[str, ...] = ()) -> None:
    for key, value in overrides.items():
        keys = (*at, *key.split("."))
        if isinstance(value, Mapping):
            _put(tree, keys, {}, keep=True)
            _merge_overrides(tree, value, origins, keys)
        elif value is not None:
            stood = _put(tree, keys, value)
            if len(stood) == 1:
                origins[stood] = "--" + stood[0].replace("_", "-")


def _put(tree: Tree, keys: tuple[str, ...], value: object, keep: bool = False) -> tuple[str, ...]:
    """Set a nested value; a key already there in another case is the same key. Returns the keys as they stand."""
    *parents, last = keys
    stood: list[str] = []
    for key in parents:
        key = _as_it_stands(tree, key)
        stood.append(key)
        child = tree.setdefault(key, {})
        if not isinstance(child, dict):
            return tuple(stood)  # a plain value where a table belongs: validation names it
        tree = child
    last = _as_it_stands(tree, last)
    if not (keep and isinstance(tree.get(last), dict)):
        tree[last] = value
    return (*stood, last)


def _as_it_stands(tree: Tree, key: str) -> str:
    return key if key in tree else next((known for known in tree if known.lower() == key.lower()), key)


def _lines(error: ValidationError, origins: Origins, path: Path | None) -> Iterator[str]:
    told: set[str] = set()
    for problem in error.errors(include_url=False, include_input=False):
        keys = tuple(str(part) for part in problem["loc"])
        if keys[-1:] == ("[key]",):
            keys, said = keys[:-1], "not a name that can be used here (letters, digits, . and -, at most 64)"
        else:
            said = _sentence(problem["type"], problem["msg"], keys)
        line = _line(keys, said, origins, path)
        if line not in told:
            told.add(line)
            yield line


def _sentence(kind: str, message: str, keys: tuple[str, ...]) -> str:
    if kind == "extra_forbidden":
        return f"unknown key; the nearest known one is {nearest(keys)}"
    if kind == "missing":
        return "required"
    message = message.removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "string_pattern_mismatch":
        return "64 hexadecimal digits are needed" if "sha256" in ".".join(keys) else "has the wrong form"
    return f"{message} is needed" if message.startswith(("a valid", "greater", "less")) else message


def _line(keys: tuple[str, ...], said: str, origins: Origins, path: Path | None) -> str:
    origin = next((origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins), None)
    if origin is None:
        origin = next((name for known, name in origins.items() if known[: len(keys)] == keys and path is None), None)
    source = origin or (str(path) if path else None)
    return f"{source}: {'.'.join(keys)}: {said}" if source else f"{'.'.join(keys)}: {said}"


def nearest(keys: tuple[str, ...]) -> str:
    """The known dotted key that an unknown one most likely stands for."""
    *parents, last = keys
    table = _table_at(tuple(parents))
    here = [field.alias or name for name, field in table.model_fields.items()]
    prefix = "".join(f"{parent}." for parent in parents)
    close = difflib.get_close_matches(last, here, n=1, cutoff=0.6)
    if close:
        return prefix + close[0]
    elsewhere = [known for known in known_keys() if known.rpartition(".")[2] == last]
    if elsewhere:
        return elsewhere[0]
    return prefix + difflib.get_close_matches(last, here, n=1, cutoff=0.0)[0]


def _table_at(keys: tuple[str, ...]) -> type[BaseModel]:
    table: type[BaseModel] = Settings
    for key in keys:
        field = next((f for name, f in table.model_fields.items() if key in (name, f.alias)), None)
        inner = table_of(field.annotation) if field else None
        table = inner or table
    return table


def table_of(annotation: object) -> type[BaseModel] | None:
    """The table behind a field: itself, or that of the members of a table by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := table_of(part))), None)


def known_keys(table: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every key, dotted; the name level of tables by name is written ``<name>``."""
    for name, field in table.model_fields.items():
        key = prefix + (field.alias or name)
        inner = table_of(field.annotation)
        if inner is None:
            yield key
        else:
            yield from known_keys(inner, f"{key}.<name>." if is_named(field) else f"{key}.")


def is_named(field: FieldInfo) -> bool:
    """Whether a field holds tables by name, as ``[apps.a]``."""
    return table_of(field.annotation) is not None and not isinstance(field.annotation, type)
