"""Stand-ins for the store's marks."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.errors import Maintenance
from hub.identity.once import Purpose


@dataclass
class OnceInMemory:
    """Marks in a dict, with the seconds each is to last; ``is_down`` plays a store that does not answer."""

    marks: dict[tuple[str, str], int] = field(default_factory=dict)
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)
    is_down: bool = False

    async def claim(self, purpose: Purpose, value: str, seconds: int) -> bool:
        if self.is_down:
            raise Maintenance
        if (purpose, value) in self.marks:
            return False
        self.marks[purpose, value] = seconds
        return True

    async def is_claimed(self, purpose: Purpose, value: str) -> bool:
        return (purpose, value) in self.marks

    async def release(self, purpose: Purpose, value: str) -> None:
        self.marks.pop((purpose, value), None)

    async def put(self, purpose: str, value: str, content: bytes, seconds: int) -> None:
        self.contents[purpose, value] = content

    async def take(self, purpose: str, value: str) -> bytes | None:
        return self.contents.pop((purpose, value), None)
