"""The settings as text for people: the one table of all keys, and the effective values with their secrets masked."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hub.settings.load import is_named, table_of
from hub.settings.model import Settings
from hub.settings.values import Duration, write_duration

MASKED = "********"
_USER_INFO = re.compile(r"(?<=://)[^/@]*@")
_PASSWORD = re.compile(r"(?<=[?&]password=)[^&]*")
_DURATION = next(iter(getattr(Duration, "__metadata__", ())))


def markdown_table() -> str:
    """Every key, its default and its meaning, as one Markdown table."""
    rows = [f"| `{key}` | {_default(field)} | {field.description} |" for key, field in documented_fields()]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def documented_fields(table: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key that holds a value, dotted, with its description and default."""
    for name, field in table.model_fields.items():
        key = prefix + (field.alias or name)
        inner = table_of(field.annotation)
        if inner is None:
            yield key, field
        else:
            yield from documented_fields(inner, f"{key}.<name>." if is_named(field) else f"{key}.")


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default" in extra:
        return str(extra["default"])
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None:
        return "none"
    if _DURATION in field.metadata:
        value = write_duration(value)
    return f"`{orjson.dumps(str(value) if isinstance(value, Path) else value).decode()}`"


def mask(settings: Settings) -> dict[str, object]:
    """The effective settings as plain JSON values, by key name, fit to be shown: secrets and user info are masked."""
    shown = cast("dict[str, object]", settings.model_dump(mode="json", by_alias=True, exclude_none=True))
    shown["store_url"] = _PASSWORD.sub(MASKED, _USER_INFO.sub(f"{MASKED}@", settings.store_url))
    for provider in cast("dict[str, dict[str, object]]", shown["identity_providers"]).values():
        if "client_secret_env" in provider or "client_secret_file" in provider:
            provider.pop("client_secret", None)  # where it is says enough, and reads back
    return shown
