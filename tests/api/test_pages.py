"""Page chrome: the policy, the escaping, the files."""

from __future__ import annotations

from pathlib import Path

from hub.api.auth import views
from hub.api.pages import Form, Link, error_page, gateway_page, message, page, text
from hub.errors import Forbidden, ProviderUnavailable
from tests.api.auth.door import Door

EVIL = '"><script>alert(1)</script>'


def test_text_from_outside_stays_text() -> None:
    body = message(EVIL, [text(EVIL)], [Link(EVIL, EVIL), Form(EVIL, EVIL, {EVIL: EVIL})])
    whole = bytes(page(EVIL, body).body).decode()
    assert "<script>" not in whole
    assert whole.count("&lt;script&gt;") == 9


def test_an_error_page_has_the_errors_status_and_headers() -> None:
    answer = error_page(ProviderUnavailable(), [Link("Again", "/")], may_be_framed=True)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


def test_a_title_that_says_it_all_is_not_said_twice() -> None:
    assert bytes(error_page(Forbidden()).body).decode().count(Forbidden.title) == 2  # head and heading


def test_the_gateways_pages_may_be_in_frames() -> None:
    body, headers = gateway_page(502, "The app is away", "<p>Try again.</p>")
    assert b"<h1>The app is away</h1><p>Try again.</p>" in body
    assert b"refresh" not in body
    again, _ = gateway_page(502, "The app is away", "", 7)
    assert b'<meta http-equiv="refresh" content="7">' in again
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_every_ending_has_words_of_its_own() -> None:
    """All reasons of the contract are on the page."""
    bodies = {
        bytes(views.signed_out(reason, "/").body) for reason in ("revoked", "logged_out", "expired", "idle", "replaced")
    }
    assert len(bodies) == 5


async def test_files_are_served_and_not_sent_twice(door: Door) -> None:
    for name, kind in (("hub.css", "text/css; charset=utf-8"), ("hub.svg", "image/svg+xml")):
        answer = await door.browser.get(f"/auth/assets/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        again = await door.browser.get(f"/auth/assets/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for name in ("pages.py", "..%2fpages.py", "x"):
        assert (await door.browser.get(f"/auth/assets/{name}")).status_code == 404


def test_the_style_sheet_asks_nobody_else() -> None:
    sheet = (Path(views.__file__).parents[1] / "static" / "hub.css").read_text()
    assert "url(" not in sheet
    assert "@import" not in sheet
