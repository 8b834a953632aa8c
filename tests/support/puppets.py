"""A process of its own that does as it is told: one JSON line in, one JSON line out.

Load must not share an event loop with what measures it, nor with other load.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import orjson
import uvloop

from tests.support.nodes import ROOT, clean_environment

LONGEST_LINE_BYTES = 2**27
Handlers = Mapping[str, Callable[..., Awaitable[Any]]]


def serve(make: Callable[[], Handlers], niceness: int = 0) -> None:
    """The process: answers until its input ends. ``make`` is called on the loop."""
    os.nice(niceness)
    uvloop.run(_serve(make))


async def _serve(make: Callable[[], Handlers]) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(LONGEST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    handlers = make()
    while line := await reader.readline():
        asked = orjson.loads(line)
        said = await handlers[asked.pop("do")](**asked)
        sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
        sys.stdout.buffer.flush()


class Puppet:
    """The other end. Used by ``async with``; the process is gone afterwards."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._turn = asyncio.Lock()
        self.process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE_BYTES,
            cwd=ROOT,
            env=clean_environment(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        return self.process.pid

    async def ask(self, do: str, **members: Any) -> Any:
        """Tell it to do this; what it says."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._turn:
            self.process.stdin.write(orjson.dumps({"do": do, **members}) + b"\n")
            await self.process.stdin.drain()
            line = await self.process.stdout.readline()
        assert line, f"{self._module} is gone"
        return orjson.loads(line)
