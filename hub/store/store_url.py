"""A store's URL taken apart: one server, a socket, or several hosts that know where the data is.

``urllib.parse`` reads one host only (a list that ends in ``[::1]:26379`` is no URL to it), so this reads its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

PORTS = {"sentinel": 26379}
PORT = 6379

_WHOLE = re.compile(r"([a-z]+)(?:\+([a-z]+))?://([^/?#]*)(/[^?#]*)?(?:\?([^#]*))?")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """``scheme[+kind]://[username[:password]@]host[:port][,host[:port]]…[/name][?query]``, decoded.

    ``hosts`` are addresses (host without brackets, port); ``name`` is the primary's, for sentinels, or a socket's path.
    """

    scheme: str
    kind: str
    hosts: tuple[Address, ...]
    name: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> StoreUrl:
        """Raises ``ValueError``."""
        match = _WHOLE.fullmatch(url)
        if match is None:
            raise ValueError("not the URL of a store")
        scheme, kind, netloc, path, query = (part or "" for part in match.groups())
        user, _, listed = netloc.rpartition("@")
        username, _, password = (unquote(part) for part in user.partition(":"))
        given = dict(parse_qsl(query))
        return cls(
            scheme,
            kind,
            tuple(_address(host, PORTS.get(kind, PORT)) for host in listed.split(",")) if listed else (),
            path if scheme == "unix" else unquote(path.strip("/")),
            given.get("username", username) or None,
            given.get("password", password) or None,
            given,
        )

    @property
    def is_tls(self) -> bool:
        """Whether certificates are asked for."""
        return self.scheme == "rediss"

    @property
    def is_cluster(self) -> bool:
        """Whether the hosts are some of a cluster."""
        return self.kind == "cluster"

    @property
    def database(self) -> int:
        """Its number."""
        return int(self.query.get("db", 0))

    def __str__(self) -> str:
        """Where the store is, without user, password and query: fit for logs."""
        scheme = f"{self.scheme}+{self.kind}" if self.kind else self.scheme
        if self.scheme == "unix":
            return f"unix://{self.name}"
        return f"{scheme}://{','.join(map(_shown, self.hosts))}"


def _address(text: str, port: int) -> Address:
    host, colon, given = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), port
    return host.strip("[]"), int(given) if given else port


def _shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
