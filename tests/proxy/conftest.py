"""The event loop of the hub: its transports differ from asyncio's in small ways that matter here."""

from __future__ import annotations

import asyncio

import pytest
import uvloop


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    return uvloop.EventLoopPolicy()
