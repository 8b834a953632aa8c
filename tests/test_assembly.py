"""What the configuration can say and the hub does not do yet is refused with a clear line, never ignored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from hub import assembly
from hub.errors import ConfigurationError
from hub.settings import load_settings

APP = {"upstream": "http://127.0.0.1:9001"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"store_url": "redis+cluster://127.0.0.1", "keys": {"file": "k"}}, "Cluster"),
    ],
)
def test_what_is_not_built_is_refused_by_name(settings: dict[str, object], named: str) -> None:
    """The line names the key."""
    with pytest.raises(ConfigurationError, match=named):
        assembly.check_built(load_settings(None, {}, settings))


def test_a_schema_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    """A section's schema is compiled at start, not at the first commit."""
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    settings = load_settings(None, {}, {"sections": {"profile": {"schema": str(schema)}}})
    schema.write_text('{"type": 5}')
    with pytest.raises(ConfigurationError, match=r"sections\.profile\.schema"):
        assembly.sections_of(settings)


def test_an_ordinary_configuration_is_built() -> None:
    """The negative control of the above."""
    assembly.check_built(load_settings(None, {}, {"apps": {"a": APP | {"prefix": "/apps/a"}}}))


def test_tokens_without_their_backend_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else of identity is built, and with the reason."""

    def refuse() -> None:
        raise ConfigurationError("python-jose must be installed with its cryptography backend")

    monkeypatch.setattr(assembly, "assert_backend", refuse)
    nothing = cast("Any", None)
    with pytest.raises(ConfigurationError, match="backend"):
        assembly.Identity(load_settings(None, {}, {}), nothing, nothing, {})
