"""Where a request came from, as an app is told it."""

from __future__ import annotations

from typing import Any

import pytest

from hub.proxy.forwarded import Peers

FORGED = {
    "x-forwarded-for": "1.2.3.4",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
    "forwarded": "for=1.2.3.4;host=evil.example",
}


def scope(peer: str, headers: dict[str, str], scheme: str = "http") -> dict[str, Any]:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in {"host": "hub.example.com", **headers}.items()]
    return {"client": (peer, 1), "scheme": scheme, "headers": raw}


def told(peers: Peers, given: dict[str, Any]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in peers.origin_of(given).headers()}


def test_a_stranger_cannot_say_where_it_comes_from() -> None:
    """Every one of the headers is written anew from the connection itself."""
    assert told(Peers(), scope("192.0.2.7", FORGED)) == {
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "hub.example.com",
        "x-forwarded-port": "80",
        "x-real-ip": "192.0.2.7",
        "forwarded": 'for=192.0.2.7;proto=http;host="hub.example.com"',
    }


def test_a_trusted_proxy_is_believed_and_added() -> None:
    got = told(Peers(["192.0.2.0/24"]), scope("192.0.2.7", {**FORGED, "x-forwarded-host": "hub.example.com:8443"}))
    assert got["x-forwarded-for"] == "1.2.3.4, 192.0.2.7"
    assert (got["x-forwarded-proto"], got["x-forwarded-host"]) == ("https", "hub.example.com:8443")
    assert (got["x-forwarded-port"], got["x-real-ip"]) == ("8443", "1.2.3.4")
    assert got["forwarded"] == 'for=1.2.3.4;proto=https;host="hub.example.com:8443", for=192.0.2.7'


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),  # a caller put 6.6.6.6 there: the proxy added what it saw on the right
        ("6.6.6.6, 1.2.3.4, 192.0.2.9", "1.2.3.4"),
        ("1.2.3.4, rubbish", "192.0.2.7"),
        ("", "192.0.2.7"),
        ("192.0.2.8", "192.0.2.8"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_the_nearest_that_is_no_proxy_of_ours(said: str, address: str) -> None:
    peers = Peers(["192.0.2.0/24"])
    assert peers.origin_of(scope("192.0.2.7", {"x-forwarded-for": said})).address == address


@pytest.mark.parametrize("host", ['x"y', "a b", "a,b", "é", "", "a/b"])
def test_a_host_that_is_none_is_not_told(host: str) -> None:
    got = told(Peers(["192.0.2.7"]), scope("192.0.2.7", {"host": host, "x-forwarded-host": host}))
    assert "x-forwarded-host" not in got
    assert "host" not in got["forwarded"]


def test_a_port_is_not_made_up_for_an_address_of_six() -> None:
    got = told(Peers(), scope("2001:db8::1", {"host": "[::1]"}, "https"))
    assert got["forwarded"] == 'for="[2001:db8::1]";proto=https;host="[::1]"'
    assert got["x-forwarded-port"] == "443"
    assert told(Peers(), scope("::1", {"host": "[::1]:8000"}))["x-forwarded-port"] == "8000"
