"""``hub sessions watch``: one session, live, until it ends.

A broken connection is taken up again where it stood (position and view), with full jitter; close codes from 4500 up are
final, as for any client. ``--json`` prints the hub's messages as they came, one a line.
"""

import json
import random
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.markup import escape
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from hub.cli import CommandError
from hub.cli.output import clock, console, note, print_json
from hub.cli.remote import RemoteHub, segment

TERMINAL = 4500
ENDED = 4500
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 20.0
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
SIGNS = {"add": "[green]+[/]", "replace": "[yellow]~[/]", "remove": "[red]-[/]"}


@dataclass
class Place:
    """Where the copy stands; ``attempts`` counts tries since it was last live."""

    position: str = ""
    view: str = ""
    attempts: int = 0

    def resume(self) -> str:
        """The query that resumes from here, or nothing."""
        if not self.position or not self.view:
            return ""
        return "?" + urlencode({"position": self.position, "view": self.view})

    def take(self, message: dict[str, Any]) -> None:
        """Move with a message of the hub."""
        self.position = str(message.get("position", self.position))
        self.view = str(message.get("view", self.view))
        if message.get("type") == "live":
            self.attempts = 0


def watch(hub: RemoteHub, sid: str, as_json: bool) -> None:
    """Print what happens to a session. Returns when it has ended, or on Ctrl-C."""
    place, first = Place(), True
    base = f"ws{hub.url.removeprefix('http')}/v1/sessions/{segment(sid)}/live"
    try:
        while True:
            window = _follow(hub, base + place.resume(), place, as_json, first)
            if window is None:
                return
            first = False
            place.attempts += 1
            ceiling = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2**place.attempts)
            time.sleep(random.uniform(0, window or ceiling))  # noqa: S311  # spreads reconnects, guards nothing
    except KeyboardInterrupt:
        return


def _follow(hub: RemoteHub, url: str, place: Place, as_json: bool, first: bool) -> float | None:
    """One connection. ``None`` when the session is over, else the seconds within which to come back (0 = as usual)."""
    try:
        with connect(
            url,
            subprotocols=[Subprotocol("hub.v1")],
            additional_headers=hub.headers,
            max_size=LARGEST_MESSAGE_BYTES,
            close_timeout=2,
        ) as socket:
            while True:
                message = _parse(socket.recv())
                place.take(message)
                _show(message, as_json)
                if message.get("type") == "ended":
                    return None
    except ConnectionClosed as closed:
        return _after_close(closed)
    except InvalidStatus as refused:
        status = refused.response.status_code
        if first or status < 500:
            raise CommandError(f"{hub.url}: the live connection was refused with {status}") from None
        return 0.0
    except (OSError, InvalidHandshake, WebSocketException) as error:
        if first:
            raise CommandError(f"{hub.url}: cannot be reached ({_words(error)})") from None
        return 0.0


def _after_close(closed: ConnectionClosed) -> float | None:
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
    if code == ENDED:
        return None
    if code >= TERMINAL or code == 1009:
        raise CommandError(f"the hub closed the connection with {code} {_meaning(code)}".rstrip())
    note(f"connection lost ({code}); coming back")
    return int(reason) / 1000 if code == 4001 and reason.isdecimal() and len(reason) < 7 else 0.0


def _meaning(code: int) -> str:
    meanings = {4501: "unauthenticated, or no such session", 4503: "this key may not follow it", 4504: "too many"}
    return meanings.get(code, "")


def _parse(frame: str | bytes) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise CommandError("this is not how a hub speaks")
    return message


def _show(message: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(message, lines=True)
        return
    out = console()
    match message.get("type"):
        case "snapshot":
            session = message.get("session", {})
            out.print(f"[bold]{escape(str(session.get('user', '')))}[/] at {_position(message)}")
            out.print_json(json.dumps(message.get("document")))
        case "change":
            _show_change(out, message)
        case "live":
            out.print(f"[green]live[/] at {_position(message)}")
        case "mode":
            out.print(f"[yellow]mode {escape(str(message.get('mode')))}[/]")
        case "ended":
            said = " · ".join(filter(None, [str(message.get("reason", "")), str(message.get("detail") or "")]))
            out.print(f"{clock(message.get('ended_at'))}  [bold red]ended[/] {escape(said)}")


def _show_change(out: Console, message: dict[str, Any]) -> None:
    actor = escape(str(message.get("actor") or ""))
    out.print(f"{clock(message.get('at'))}  {_position(message)}  [cyan]{actor}[/]")
    for op in message.get("ops", []):
        sign = SIGNS.get(str(op.get("op")), "?")
        value = "" if op.get("op") == "remove" else f" = {json.dumps(op.get('value'), ensure_ascii=False)}"
        out.print(f"    {sign} {escape(str(op.get('path', '')) + value)}")


def _position(message: dict[str, Any]) -> str:
    return escape(str(message.get("position", "")))


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).lower() or type(error).__name__
