"""What ``hub doctor`` looks at on this machine: key ring, clock, open files, port."""

import json
import resource
import stat
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from hub.cli import CommandError
from hub.cli.listen import listen
from hub.core.finding import Finding
from hub.errors import ConfigurationError
from hub.settings import Settings, split_bind
from hub.store.keyring import KeyRing

BEFORE_THIS_HUB = datetime(2025, 1, 1, tzinfo=UTC)
FILES_BESIDE_CONNECTIONS = 256  # the store, apps, log, requests under way
PATIENCE_SECONDS = 2.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared, not bound


def look_here(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """All of it, in the order in which it is printed."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [
        key_ring(settings),
        port(settings.bind),
        files(soft, settings.limits.connections),
        time_of(datetime.now(UTC), environ.get("TZ", "")),
    ]


def key_ring(settings: Settings) -> Finding:
    """Whether it is there, its owner's alone, and complete; the names of its keys, never the keys."""
    file = settings.key_ring_file
    if settings.store_url == "embedded" and settings.keys.file is None and not file.exists():
        return Finding("key ring", "ok", f"the first hub that starts makes it: {file}")
    try:
        ring = KeyRing.load(file)
    except ConfigurationError as error:
        return Finding("key ring", "failed", str(error), _how_to_mend(file))
    names = (f"{use} {'+'.join(keys.by_kid)}" for use, keys in ring.by_use.items())
    mode = stat.S_IMODE(file.stat().st_mode)
    return Finding("key ring", "ok", f"{file}, mode {mode:04o}: {', '.join(names)}")


def _how_to_mend(file: Path) -> str:
    if not file.exists():
        return f"`hub keys new --file {file}`, or bring the one the store was sealed with"
    return f"chmod 600 {file}; it has to belong to the user that runs the hub"


def port(bind: str) -> Finding:
    """Whether a hub could listen there, or one does."""
    host, number = split_bind(bind)
    try:
        listen(bind).close()
    except CommandError as error:
        if _is_hub(ANY.get(host, host), number):
            return Finding("port", "ok", f"a hub listens on {bind}")
        return Finding("port", "failed", str(error), "end what has it, or change bind")
    return Finding("port", "ok", f"{bind} is free")


def _is_hub(host: str, number: int) -> bool:
    connection = HTTPConnection(host, number, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.getheader("X-Hub-Response") == "1" and json.loads(answer.read(4096)) == {"status": "ok"}
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def files(most: int, connections: int) -> Finding:
    """Each live connection is an open file. ``most``: what ``ulimit -n`` allows, -1 for any number."""
    if most == resource.RLIM_INFINITY:
        return Finding("open files", "ok", "no limit")
    needed = connections + FILES_BESIDE_CONNECTIONS
    if connections and most >= needed:
        return Finding("open files", "ok", f"{most} for {connections} connections")
    said = f"{most}, and limits.connections is {connections or 'unlimited'}: more live connections would be cut off"
    to_do = f"ulimit -n {needed} (systemd: LimitNOFILE), or limits.connections = {max(1, most - 256)}"
    return Finding("open files", "warn", said, to_do)


def time_of(now: datetime, zone: str) -> Finding:
    """Whether this machine's clock can be right, and its time zone (``TZ``) is one."""
    said = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now < BEFORE_THIS_HUB:
        return Finding("clock", "failed", f"{said} is in the past", "set it by NTP")
    if zone.lstrip(":") and not Path(zone.lstrip(":")).is_absolute():
        try:
            zoneinfo.ZoneInfo(zone.lstrip(":"))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return Finding("clock", "warn", f"{said}; there is no time zone {zone!r}, so UTC is used", "mend TZ")
    return Finding("clock", "ok", f"{said}, {now.astimezone():%H:%M %Z} here")
