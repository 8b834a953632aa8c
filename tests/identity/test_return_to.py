"""Where a browser may be sent after log-in."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.identity.return_to import FALLBACK, safe_return_to

ORIGIN = "https://hub.example.com"


@pytest.mark.parametrize(
    "wanted",
    [
        None, "", "apps/a", "//evil", "///evil", "/\\evil", "\\\\evil", "/\\/evil", "https:evil", "https://evil",
        "HTTPS://evil", "javascript:alert(1)", "data:,x", "/%2f%2fevil", "/%2fevil", "/%5cevil", "/%255cevil",
        "/%25252fevil", "\t//evil",
        "/\t/evil", "/\n/evil", " //evil", " /apps", "/apps\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:a=b", "/apps/%00",
        "/./x", "/..//evil", "/a/../..//evil", "/a/%2e%2e//evil", "/.%2e/evil", "/auth/login", "/auth/logout?x",
        "/%61uth/login", "/%2525252525", "/x\x7f", "/x\u0085", "/" + "a" * 3000, "/\ud800",
    ],
)  # fmt: skip
def test_anything_doubtful_leads_to_the_front(wanted: str | None) -> None:
    """Threat 40."""
    assert safe_return_to(wanted) == FALLBACK


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/", "/"),
        ("/apps/a", "/apps/a"),
        ("/apps/a/?q=//evil&r=https://x#top", "/apps/a/?q=//evil&r=https://x#top"),
        ("/apps/a/my%20file", "/apps/a/my%20file"),
        ("/apps/a/my file", "/apps/a/my%20file"),
        ("/apps/a/ü", "/apps/a/%C3%BC"),
        ("/apps/a/100%25", "/apps/a/100%25"),
        ("/apps/a/x%2Fy", "/apps/a/x%2Fy"),
        ("/authors", "/authors"),
    ],
)
def test_a_path_of_this_origin_is_kept(wanted: str, path: str) -> None:
    assert safe_return_to(wanted) == path


pieces = st.sampled_from(
    ["/", "\\", ".", "..", "%2f", "%5C", "%09", "\t", "evil.example", ":", "@", "?", "#", "a", "https:", "%25"]
)


@given(st.lists(pieces | st.text(max_size=3), max_size=8).map("".join))
def test_no_text_leads_away(wanted: str) -> None:
    """Whatever is asked for, a browser stays on this origin."""
    path = safe_return_to(wanted)
    assert path.isascii()
    assert path.isprintable()
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    there = urlsplit(urljoin(f"{ORIGIN}/auth/callback", path))
    assert f"{there.scheme}://{there.netloc}" == ORIGIN
