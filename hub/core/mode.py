"""What the hub can do at a moment: everything, read only, or nothing that needs the store."""

from __future__ import annotations

from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["live", "read_only", "maintenance"]
