"""What only shows when a node is put together is refused with a clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from hub import assembly
from hub.errors import ConfigurationError
from hub.settings import load_settings


def test_a_schema_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    """A section's schema is compiled at start, not at the first commit."""
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    settings = load_settings(None, {}, {"sections": {"profile": {"schema": str(schema)}}})
    schema.write_text('{"type": 5}')
    with pytest.raises(ConfigurationError, match=r"sections\.profile\.schema"):
        assembly.sections_of(settings)


def test_tokens_without_their_backend_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything else of identity is built, and with the reason."""

    def refuse() -> None:
        raise ConfigurationError("python-jose must be installed with its cryptography backend")

    monkeypatch.setattr(assembly, "assert_backend", refuse)
    nothing = cast("Any", None)
    with pytest.raises(ConfigurationError, match="backend"):
        assembly.Identity(load_settings(None, {}, {}), nothing, nothing, {})
