"""Which app a path belongs to, and every spelling that is refused instead of guessed at."""

from __future__ import annotations

import pytest

from hub.errors import Malformed
from hub.proxy.ports import App
from hub.proxy.routing import Routes

A = App("a", "http://127.0.0.1:1", prefix="/apps/a")
DEEP = App("deep", "http://127.0.0.1:2", prefix="/apps/a/deep")
OWN = App("own", "http://127.0.0.1:3", host="own.example.com")
ROUTES = Routes([A, DEEP, OWN])
HUB = "hub.example.com"


@pytest.mark.parametrize(
    ("path", "app"),
    [
        (b"/apps/a", A),
        (b"/apps/a/", A),
        (b"/apps/a/x/y", A),
        (b"/apps/a//x", A),
        (b"/apps/a/x%2Fy", A),
        (b"/apps/a/deepest", A),
        (b"/apps/a/deep/x", DEEP),
        (b"/apps/ab", None),
        (b"/apps/a;x/y", None),
        (b"/apps", None),
        (b"//apps/a", None),
        (b"/x/../apps/b", None),
        (b"/APPS/a", None),
        (b"/", None),
    ],
)
def test_whole_segments_decide_and_the_longest_prefix_wins(path: bytes, app: App | None) -> None:
    assert ROUTES.find(path, HUB) is app


def test_a_host_decides_before_any_path() -> None:
    assert ROUTES.find(b"/apps/a", "OWN.example.com") is OWN
    assert ROUTES.find(b"/x", "own.example.com:8443") is None


@pytest.mark.parametrize(
    "path",
    [
        b"/apps/a/..",
        b"/apps/a/../b",
        b"/apps/a/x/../../../etc",
        b"/apps/a/%2e%2e/b",
        b"/apps/a/%2E./b",
        b"/apps/a/.%2e",
        b"/apps/a/%252e%252e/b",
        b"/apps/a/%25252e%25252e/b",
        b"/apps/a/x%2f..%2fy",
        b"/apps/a/..%5cb",
        b"/apps/a/..\\b",
        b"/apps/a/..;x=1/b",
        b"/apps/a/%2e%2e%00/b",
        b"/apps%2fa/x",
        b"/apps%2Fa",
        b"/apps%252fa",
        b"/apps%5ca",
        b"/apps\\a\\x",
        b"/%61pps/a",
        b"/apps/%61/x",
        b"/apps/a%2fx",
        b"/apps/a%5cx",
        b"/apps/a/x#y",
        b"/apps/a/x y",
        b"/apps/a/\xc3\xa4",
        b"/apps/a/\x00",
        b"/apps/a/" + b"%25" * 1 + b"25" * 20 + b"2e",
    ],
)
def test_an_ambiguous_spelling_is_refused(path: bytes) -> None:
    """Such a path is recognised as one for the app, so no other route sees it, and then refused."""
    with pytest.raises(Malformed):
        ROUTES.target(ROUTES.find(path, HUB) or A, path, b"")


@pytest.mark.parametrize("path", [b"/apps%2fa/x", b"/apps%5ca", b"/apps\\a\\x", b"/%61pps/a", b"/apps/a%2fx"])
def test_a_disguised_prefix_is_found_all_the_same(path: bytes) -> None:
    assert ROUTES.find(path, HUB) is A


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        (b"/apps/a", b"", b"/apps/a"),
        (b"/apps/a/%7Ex;y=1/..z/z../.x", b"", b"/apps/a/%7Ex;y=1/..z/z../.x"),
        (b"/apps/a/.", b"a=%2e%2e/..&b=#", b"/apps/a/.?a=%2e%2e/..&b=#"),
    ],
)
def test_what_goes_on_is_what_came(path: bytes, query: bytes, target: bytes) -> None:
    assert ROUTES.target(A, path, query) == target


@pytest.mark.parametrize("query", [b"a b", b"\xff", b"\r\nX: y"])
def test_a_query_is_of_characters_that_urls_have(query: bytes) -> None:
    with pytest.raises(Malformed):
        ROUTES.target(A, b"/apps/a", query)
