"""Concurrent callers on a few sessions through several nodes, and everything they saw, for the checker.

Writers never give up a commit that may have happened: they ask again under its key, elsewhere if need be.
Every commit appends its key to a list (and drops the list's oldest), so that the history shows what took effect
and how often; commits with ``If-Match`` also count.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.answers import good
from tests.support.copies import AGAIN_SECONDS, Copy
from tests.support.histories import CLOSE_SECONDS, Acknowledged, Ended, Recorded, Refused, Seen, violations
from tests.support.nodes import SERVICE_KEY, Cluster, Node
from tests.support.tabs import JSON_PATCH, Opened, bearer, log_in, merge
from tests.support.truth import truth

SEEDS = 20
GIVE_UP_SECONDS = 20.0
OVER = (401, 404, 410)

Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass
class Track:
    """One session under load."""

    opened: Opened
    recorded: Recorded
    copies: list[Copy] = field(default_factory=list)
    will_end: bool = False
    is_over: bool = False
    matching: int = 0  # acknowledged commits that counted


class Load:
    """Callers of ``nodes``. ``seconds`` is how long they go on, or until ``most`` commits."""

    def __init__(self, cluster: Cluster, nodes: Sequence[Node], seconds: float, most: int = 1_000_000) -> None:
        self.cluster, self.nodes = cluster, nodes
        self.seconds, self.most, self.until = seconds, most, time.monotonic() + seconds
        self.tracks: list[Track] = []
        self.pad_bytes = 0
        self.think_seconds = 0.04  # blind writers pause up to that, or those that insist would never get through
        self.retried = self.unanswered = 0  # asked again; and those of them that were sent and then broken off
        self._clients = {node.port: _client_of(node) for node in nodes}

    async def __aenter__(self) -> Load:
        return self

    async def __aexit__(self, *_: object) -> None:
        for track in self.tracks:
            await asyncio.gather(*(copy.stop() for copy in track.copies))
        for client in self._clients.values():
            await client.aclose()

    async def track(self, user: str, tabs: Sequence[Node], *, will_end: bool = False, receive_bytes: int = 0) -> Track:
        """A new session with a tab on each of these nodes, the last one with so small a buffer."""
        opened = await log_in(self.cluster, tabs[0], user)
        log = [f"seed-{number}" for number in range(SEEDS)]
        service = self._clients[tabs[0].port]
        begun = await merge(service, opened.sid, {"profile": {"count": 0, "log": log}})
        document = good(await service.get("/v1/sessions/me/document", headers=bearer(opened.token)))
        track = Track(opened, Recorded(good(begun)["position"], document), will_end=will_end)
        for number, node in enumerate(tabs):
            others = [each for each in self.nodes if each is not node]
            track.copies.append(Copy(f"{user}-tab-{number}", [node, *others], opened.token))
        track.copies[-1].receive_bytes = receive_bytes
        track.recorded.stories = [copy.story for copy in track.copies]
        assert all([await copy.until_at(track.recorded.first_position, 5) for copy in track.copies])
        self.tracks.append(track)
        return track

    def client_of(self, node: Node) -> httpx.AsyncClient:
        """With the service's key."""
        return self._clients[node.port]

    def _living(self, number: int) -> Node:
        living = [node for node in self.nodes if node.process.poll() is None]
        return living[number % len(living)]

    def _goes_on(self, track: Track) -> bool:
        enough = sum(len(each.recorded.acknowledged) for each in self.tracks) >= self.most
        return not track.is_over and not enough and time.monotonic() < self.until

    async def _ask(self, track: Track, number: int, ask: Ask) -> httpx.Response:
        """Ask until there is an answer that says something, at one node after the other."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await ask(self._clients[self._living(number).port])
            except httpx.TransportError as error:
                answer = None
                self.unanswered += not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if answer is not None and answer.status_code < 500:
                return answer
            if answer is not None and answer.status_code != 503:
                track.recorded.failures.append(answer.text)
            self.retried += 1
            number += 1
            await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError("nobody answers")

    def _is_over(self, track: Track, answer: httpx.Response) -> bool:
        """Whether it says so. One that says otherwise after another did is on the record all the same."""
        is_over = answer.status_code in OVER
        track.is_over = track.is_over or is_over
        assert not is_over or track.will_end, answer.text
        return is_over

    # writers

    def ops(self, key: str, count: int | None = None) -> list[dict[str, Any]]:
        """The operations of one commit."""
        ops: list[dict[str, Any]] = [
            {"op": "add", "path": "/profile/log/-", "value": key},
            {"op": "remove", "path": "/profile/log/0"},
        ]
        if count is not None:
            ops.append({"op": "replace", "path": "/profile/count", "value": count})
        if self.pad_bytes:
            ops.append({"op": "add", "path": "/profile/pad", "value": key * (self.pad_bytes // len(key))})
        return ops

    async def write_blind(self, track: Track, number: int) -> None:
        """Commit on whatever is there."""
        while self._goes_on(track):
            await self.commit(track, number, self.ops(key := new_key(number)), key)
            await asyncio.sleep(random.uniform(0, self.think_seconds))

    async def write_matching(self, track: Track, number: int) -> None:
        """Read, count one on, and insist that nobody came in between."""
        path = f"/v1/sessions/{track.opened.sid}/document"
        while self._goes_on(track):
            began = time.monotonic()
            answer = await self._ask(track, number, lambda client: client.get(path))
            if not self._note_read(track, answer, began):
                return
            count, key = answer.json()["profile"]["count"] + 1, new_key(number)
            done = await self.commit(track, number, self.ops(key, count), key, **{"If-Match": answer.headers["ETag"]})
            track.matching += done

    async def commit(self, track: Track, number: int, ops: list[dict[str, Any]], key: str, **match: str) -> bool:
        """One commit, asked until it is answered; whether it was acknowledged."""
        headers = {"Content-Type": JSON_PATCH, "Idempotency-Key": key, **match}
        path, body = f"/v1/sessions/{track.opened.sid}/document", json.dumps(ops)
        asked = time.monotonic()
        while True:
            answer = await self._ask(track, number, lambda client: client.patch(path, content=body, headers=headers))
            if self._is_over(track, answer):
                return False
            if answer.status_code == 409:
                continue  # contention: nothing happened, and the key is still good
            break
        if answer.status_code == 412:
            track.recorded.refused.append(Refused(key, "position_mismatch"))
            return False
        self._acknowledge(track, key, good(answer), asked)
        return True

    def _acknowledge(self, track: Track, key: str, said: dict[str, Any], asked: float) -> None:
        done = Acknowledged(key, said["base"], said["position"], asked, time.monotonic())
        track.recorded.acknowledged.append(done)

    async def write_from_tab(self, track: Track, number: int) -> None:
        """Commit over a tab's connection. Its answers name no base: the history has it."""
        copy = track.copies[number % len(track.copies)]
        while self._goes_on(track):
            await asyncio.sleep(random.uniform(0, self.think_seconds))
            key, asked = new_key(number), time.monotonic()
            answer = await copy.commit({"type": "commit", "id": key, "ops": self.ops(key)})
            if answer["type"] == "committed":
                base = f"{int(answer['position'].partition('.')[0]) - 1}"
                self._acknowledge(track, key, {"base": base, "position": answer["position"]}, asked)
            elif not answer["problem"]["retryable"]:
                return

    # readers and the end

    async def read(self, track: Track, number: int) -> None:
        """Read as the user, at one node after the other."""
        headers = bearer(track.opened.token)
        while self._goes_on(track):
            number += 1
            began = time.monotonic()
            get = lambda client: client.get("/v1/sessions/me/document", headers=headers)  # noqa: E731
            if not self._note_read(track, await self._ask(track, number, get), began, with_document=True):
                return

    async def look(self, track: Track, number: int) -> bool:
        """Read once as a service; whether the session is still there."""
        began, path = time.monotonic(), f"/v1/sessions/{track.opened.sid}/document"
        return self._note_read(track, await self._ask(track, number, lambda client: client.get(path)), began)

    def _note_read(self, track: Track, answer: httpx.Response, began: float, *, with_document: bool = False) -> bool:
        if self._is_over(track, answer):
            return False
        document, position = good(answer), answer.headers["ETag"].strip('"')
        seen = Seen(position, began, time.monotonic(), document if with_document else None)
        track.recorded.reads.append(seen)
        return True

    async def end_later(self, track: Track, when: float, close_seconds: float) -> None:
        """End the session after this part of the time."""
        await asyncio.sleep(max(0.0, self.until - time.monotonic() - (1 - when) * self.seconds))
        await self.end(track, 0, close_seconds)

    async def end(self, track: Track, number: int, close_seconds: float = CLOSE_SECONDS) -> None:
        """End the session, at this node if it lives."""
        asked = time.monotonic()
        answer = await self._ask(track, number, lambda client: client.delete(f"/v1/sessions/{track.opened.sid}"))
        assert answer.status_code == 204, answer.text
        track.recorded.ended = Ended(asked, time.monotonic(), close_seconds)

    # the proof

    async def settle(self, quiet_seconds: float) -> list[str]:
        """Wait until every tab is where the store is, or has had the time; then say what does not hold."""
        for track in self.tracks:
            recorded = track.recorded
            at = await truth(self.cluster, track.opened.sid, recorded.first_position)
            recorded.history = at.history
            if recorded.ended is None:
                recorded.final = at.position
                waits = [copy.until_at(at.position, quiet_seconds) for copy in track.copies]
            else:
                waits = [copy.until_over(quiet_seconds) for copy in track.copies]
            await asyncio.gather(*waits)
            _name_bases(recorded)
        return [f"{track.opened.user}: {fact}" for track in self.tracks for fact in violations(track.recorded)]

    @property
    def operations(self) -> int:
        """How many commits and reads were answered."""
        return sum(len(each.recorded.acknowledged) + len(each.recorded.reads) for each in self.tracks)


def _name_bases(recorded: Recorded) -> None:
    """A tab is told its position only; the base with that revision is in the history, or nowhere."""
    names = {change["position"].partition(".")[0]: change["position"] for change in recorded.history}
    first = recorded.first_position
    names[first.partition(".")[0]] = first
    recorded.acknowledged = [
        each if "." in each.base else Acknowledged(each.key, names.get(each.base, "?"), *_rest(each))
        for each in recorded.acknowledged
    ]


def _rest(each: Acknowledged) -> tuple[str, float, float]:
    return each.position, each.asked, each.answered


def new_key(number: int) -> str:
    """A fresh idempotency key of one writer."""
    return f"w{number}-{secrets.token_hex(10)}"


def _client_of(node: Node) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=node.url, headers=bearer(SERVICE_KEY), timeout=5, verify=False)
