"""The door, for every test here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.api.auth.door import Door, open_door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """A door with no session behind it."""
    async with open_door() as opened:
        yield opened
