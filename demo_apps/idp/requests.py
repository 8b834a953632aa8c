"""What an authorization request must look like (OpenID Connect Core §3.1.2.1, RFC 7636, RFC 9700).

Pure. Two kinds of refusal: `UntrustedRequest` is shown to the person, because the place to send an answer to is not
known to be the client's; `AuthorizationError` goes back to the client.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from idp.clients import Client

SCOPES = ("openid", "profile", "email", "groups")
PROMPTS = ("none", "login", "consent", "select_account")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class UntrustedRequest(Exception):
    """No redirect may be made for this request."""


class AuthorizationError(Exception):
    """An error answer for the client's redirect URI: an OAuth error code and a sentence."""

    def __init__(self, code: str, description: str, *, redirect_uri: str, state: str | None) -> None:
        super().__init__(description)
        self.code, self.description = code, description
        self.redirect_uri, self.state = redirect_uri, state


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A checked request. ``code_challenge`` is S256 always; ``max_age_seconds`` None means any age."""

    redirect_uri: str
    scope: tuple[str, ...]
    state: str | None
    nonce: str | None
    code_challenge: str
    prompt: frozenset[str]
    max_age_seconds: int | None
    login_hint: str


def parse_authorization(pairs: Sequence[tuple[str, str]], client: Client) -> AuthorizationRequest:
    """The request in these parameters. Raises `UntrustedRequest` or `AuthorizationError`."""
    values = dict(pairs)
    counts = Counter(name for name, _ in pairs)
    if values.get("client_id") != client.client_id or counts["client_id"] > 1:
        raise UntrustedRequest("This client is not registered here.")
    redirect_uri = values.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris or counts["redirect_uri"] > 1:
        raise UntrustedRequest("The address to return to is not one the client registered.")
    state = values.get("state")

    def refuse(code: str, description: str) -> AuthorizationError:
        return AuthorizationError(code, description, redirect_uri=redirect_uri, state=state)

    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise refuse("invalid_request", f"Repeated parameters: {', '.join(repeated)}.")
    if problem := _problem(values):
        raise refuse(*problem)
    max_age = values.get("max_age")
    return AuthorizationRequest(
        redirect_uri=redirect_uri,
        scope=tuple(name for name in SCOPES if name in values["scope"].split()),
        state=state,
        nonce=values.get("nonce"),
        code_challenge=values["code_challenge"],
        prompt=frozenset(values.get("prompt", "").split()),
        max_age_seconds=int(max_age) if max_age is not None else None,
        login_hint=values.get("login_hint", ""),
    )


def _problem(values: dict[str, str]) -> tuple[str, str] | None:
    """The first thing wrong, as an OAuth error code and a sentence."""
    prompt = values.get("prompt", "").split()
    checks = [
        ("request" in values, "request_not_supported", "Request objects are not supported."),
        ("request_uri" in values, "request_uri_not_supported", "Request URIs are not supported."),
        (values.get("response_type") != "code", "unsupported_response_type", "Only the code flow is offered."),
        (values.get("response_mode", "query") != "query", "invalid_request", "The response mode must be query."),
        ("openid" not in values.get("scope", "").split(), "invalid_scope", "The scope must contain openid."),
        ("code_challenge" not in values, "invalid_request", "PKCE is required: code_challenge is missing."),
        (values.get("code_challenge_method") != "S256", "invalid_request", "code_challenge_method must be S256."),
        (
            not _CHALLENGE.fullmatch(values.get("code_challenge", "")),
            "invalid_request",
            "code_challenge must be 43 base64url characters.",
        ),
        (not set(prompt) <= set(PROMPTS), "invalid_request", "The prompt is not a known one."),
        ("none" in prompt and len(prompt) > 1, "invalid_request", "prompt=none stands alone."),
        (
            not re.fullmatch(r"[0-9]{1,9}", values.get("max_age", "0")),
            "invalid_request",
            "max_age must be a number of seconds.",
        ),
    ]
    return next(((code, text) for wrong, code, text in checks if wrong), None)
