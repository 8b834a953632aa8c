"""What a person sees where an app cannot be reached or nobody is signed in: the inside of a page, as HTML."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from hub.errors import HubError

LOG_IN = "/auth/login"
SOONEST_RETRY_SECONDS, LATEST_RETRY_SECONDS = 5, 60
_IN_A_QUERY = "/-._~"


def log_in_url(target: bytes) -> str:
    """Where to sign in, on the same host, and come back to ``target`` (path and query)."""
    return f"{LOG_IN}?return_to={quote(target, safe=_IN_A_QUERY)}"


def sign_in(url: str) -> tuple[str, str]:
    """Title and inside of the page in a frame: a frame cannot show the sign-in page, so the link leaves it."""
    link = f'<p><a class="button" href="{escape(url)}" target="_top">Sign in</a></p>'
    return "You are signed out", f"<p>Sign in to go on where you were.</p>{link}"


def retry_seconds(error: HubError, method: str) -> int | None:
    """When the page that tells ``error`` asks again by itself; ``None`` if that would not help, or repeat a write."""
    if not error.retryable or method not in ("GET", "HEAD"):
        return None
    wanted = int(error.headers().get("Retry-After", SOONEST_RETRY_SECONDS))
    return min(max(wanted, SOONEST_RETRY_SECONDS), LATEST_RETRY_SECONDS)


def refusal(error: HubError, request_id: str, retries_itself: bool) -> tuple[str, str]:
    """Title and inside of the page that tells an error."""
    again = "This page tries again by itself." if retries_itself else "Please try again in a moment."
    hint = f"<p>You are still signed in. {again}</p>" if error.retryable else ""
    detail = "" if error.detail == error.title else f"<p>{escape(error.detail)}</p>"
    return error.title, f"{detail}{hint}<p><small>Request {escape(request_id)}</small></p>"
