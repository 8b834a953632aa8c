"""The words on the log-in pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from hub.api.pages import Form, Html, Link, Mood, error_page, message, page, text
from hub.errors import HubError, ProviderUnavailable, RateLimited, Unavailable

LOGIN_PATH = "/auth/login"
LOGOUT_PATH = "/auth/logout"

_ENDINGS: Mapping[str, tuple[str, str, Mood]] = {
    "logged_out": (
        "You are signed out",
        "Everything you had open has been closed, in every tab and every app.",
        "good",
    ),
    "revoked": ("Your session was ended", "Somebody entitled to it ended this session, for every tab and app.", "warn"),
    "expired": (
        "Your session has run out",
        "It lasted as long as a session may. Sign in to begin a new one.",
        "calm",
    ),
    "idle": ("You were away for a while", "Nobody used this session for some time, so it was closed for you.", "calm"),
    "replaced": (
        "You signed in somewhere else",
        "There were too many sessions of yours at once, and this was the oldest.",
        "calm",
    ),
}
_UNSAID: tuple[str, str, Mood] = ("You are signed out", "This session is over.", "calm")


def login_href(return_to: str, **more: str) -> str:
    """The path that begins a log-in."""
    query = {**({"return_to": return_to} if return_to != "/" else {}), **more}
    return f"{LOGIN_PATH}?{urlencode(query)}" if query else LOGIN_PATH


def signed_out(
    reason: str, return_to: str, *, user: str | None = None, form: Form | None = None, form_targets: Sequence[str] = ()
) -> Response:
    """Why a session is over, and the way back in. ``user``: who is signed in with this browser by now.

    Somebody who is signed in and comes without a reason wants to sign out: nothing is over yet.
    """
    title, why, mood = _ENDINGS.get(reason, _UNSAID)
    if user is None:
        actions: list[Link | Form] = [Link("Sign in again", login_href(return_to))]
        body = message(title, [text(why)], actions, mood)
    else:
        actions = [Link("Go on", return_to), *([form] if form else [])]
        name = f"<strong>{text(user)}</strong>"
        if reason in _ENDINGS:
            paragraphs = [text(why), Html(f"Meanwhile this browser is signed in as {name}.")]
        else:
            title, paragraphs = "You are signed in", [Html(f"This browser is signed in as {name}.")]
        body = message(title, paragraphs, actions, mood)
    return page(title, body, may_be_framed=True, form_targets=form_targets)


def choose(providers: Sequence[str], return_to: str, prompt: Mapping[str, str]) -> Response:
    """Several providers are configured: which one?"""
    links = [Link(f"Continue with {name}", login_href(return_to, provider=name, **prompt)) for name in providers]
    title = "Where do you want to sign in?"
    return page(title, message(title, [text("Choose the place that knows you.")], links))


def failed(error: HubError, return_to: str) -> Response:
    """A log-in that did not work out, and what can be done about it."""
    again = [Link("Try again", login_href(return_to))]
    match error:
        case ProviderUnavailable():
            title = "Signing in does not work right now"
            error = ProviderUnavailable("The identity provider does not answer. Whoever is signed in stays signed in.")
        case Unavailable():
            title = "Signing in has to wait a moment"
        case RateLimited():
            title = "That was a bit much"
        case _:
            title = "That log-in did not work"
    return error_page(error, again, title=title)
