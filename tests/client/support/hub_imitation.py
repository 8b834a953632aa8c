"""A stand-in for the hub on a real socket: one session, merge patches of sections, history, snapshots.

It speaks the wire language and nothing more, for the client's own tests. Prints its port on one line, and serves
until its standard input closes. A commit of the section ``break`` cuts the author's connection before the answer.
"""

import asyncio
import json
import sys
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Message = dict[str, Any]
VIEW = "5be01c77"


class Session:
    """One document with its history; every commit goes to every connection."""

    def __init__(self) -> None:
        self.document: Message = {"a": {"n": 0}}
        self.changes: list[Message] = []
        self.answers: dict[str, Message] = {}
        self.tabs: set[ServerConnection] = set()

    @property
    def position(self) -> str:
        return f"{len(self.changes) + 1}.{len(self.changes):08x}"

    def opening(self, position: str | None) -> list[Message]:
        """What a tab hears first when it resumes from this position, or from none."""
        bases = [change["base"] for change in self.changes]
        live: Message = {"type": "live", "position": self.position, "view": VIEW}
        if position == self.position:
            return [live]
        if position in bases:
            return [*self.changes[bases.index(position) :], live]
        facts = {"reason": "fork" if position else "new", "session": {"sid": "s1", "user": "ada"}}
        snapshot = {"type": "snapshot", "position": self.position, "view": VIEW, "document": self.document}
        return [{**snapshot, **facts}, live]

    async def commit(self, message: Message) -> Message:
        """The answer to a commit; the first time also its change, to everybody."""
        if message["id"] in self.answers:
            return self.answers[message["id"]]
        base = self.position
        ops = [{"op": "add", "path": f"/{name}", "value": value} for name, value in message["patch"].items()]
        self.document = {**self.document, **message["patch"]}
        change: Message = {"type": "change", "base": base, "ops": ops, "actor": "user", "commit": message["id"]}
        self.changes.append(change)
        change["position"] = self.position
        answer = {"type": "committed", "id": message["id"], "position": self.position, "changed": True}
        self.answers[message["id"]] = answer
        for tab in list(self.tabs):
            await tab.send(json.dumps(change))
        return answer

    async def serve(self, tab: ServerConnection) -> None:
        """One connection, from its opening to its close."""
        assert tab.request is not None
        query = dict(pair.split("=", 1) for pair in tab.request.path.partition("?")[2].split("&") if pair)
        for message in self.opening(query.get("position")):
            await tab.send(json.dumps(message))
        self.tabs.add(tab)
        try:
            async for text in tab:
                await self.hear(tab, json.loads(text))
        except ConnectionClosed:
            return  # the test cut it
        finally:
            self.tabs.discard(tab)

    async def hear(self, tab: ServerConnection, message: Message) -> None:
        """One message of a tab."""
        if message["type"] == "ping":
            await tab.send(json.dumps({"type": "heartbeat", "position": self.position}))
        if message["type"] != "commit":
            return
        if "break" in message["patch"] and message["id"] not in self.answers:
            self.tabs.discard(tab)
            await self.commit(message)
            tab.transport.abort()
            return
        await tab.send(json.dumps(await self.commit(message)))
        if "end" in message["patch"]:
            for other in list(self.tabs):
                await other.send(json.dumps({"type": "ended", "reason": "revoked", "detail": "by the test"}))
                await other.close(4500, "ENDED")


async def main() -> None:
    session = Session()
    async with serve(session.serve, "127.0.0.1", 0, subprotocols=[Subprotocol("hub.v1")]) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
