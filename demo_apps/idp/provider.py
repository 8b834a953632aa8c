"""What the provider does, without HTTP: who is signed in, codes and tokens, and how a session here ends.

A code works once, for 60 s, for the client, redirect URI and PKCE verifier it was made for. Using it a second time
also takes back the access token it gave (RFC 6749 §4.1.2).
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit, urlunsplit

from idp.clients import Client
from idp.keys import SigningKey, access_token_hash, code_challenge_of
from idp.people import Person, claims_of
from idp.requests import AuthorizationRequest
from idp.shelf import Shelf

SESSION_SECONDS = 12 * 3600
REQUEST_SECONDS = 600
CODE_SECONDS = 60
TOKEN_SECONDS = 600


class TokenError(Exception):
    """A refusal of the token endpoint: an error code of RFC 6749 §5.2 and a sentence."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code, self.description = code, description


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """One person signed in with one browser. ``sid`` goes into tokens, the cookie's value does not."""

    sid: str
    person: Person
    auth_time: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code, and later its access token, stands for."""

    request: AuthorizationRequest
    session: BrowserSession


class Provider:
    """The provider's whole memory. ``clock`` gives Unix seconds."""

    def __init__(self, issuer: str, client: Client, key: SigningKey, clock: Callable[[], float] = time.time) -> None:
        self.issuer, self.client, self.key = issuer, client, key
        self.clock = clock
        self.sessions = Shelf[BrowserSession](lifetime_seconds=SESSION_SECONDS, capacity=1000, clock=clock)
        self.requests = Shelf[AuthorizationRequest](lifetime_seconds=REQUEST_SECONDS, capacity=1000, clock=clock)
        self.access = Shelf[Grant](lifetime_seconds=TOKEN_SECONDS, capacity=1000, clock=clock)
        self._codes = Shelf[Grant](lifetime_seconds=CODE_SECONDS, capacity=1000, clock=clock)
        self._spent = Shelf[str](lifetime_seconds=TOKEN_SECONDS, capacity=1000, clock=clock)

    def may_pass(self, request: AuthorizationRequest, session: BrowserSession | None) -> bool:
        """Whether single sign-on answers this request without asking the person."""
        if session is None or request.prompt & {"login", "select_account"}:
            return False
        return request.max_age_seconds is None or self.clock() - session.auth_time <= request.max_age_seconds

    def sign_in(self, person: Person, cookie: str | None) -> tuple[str, BrowserSession]:
        """The person chose; returns the new cookie value. The same person keeps the same ``sid``."""
        before = self.sessions.take(cookie)
        same = before is not None and before.person == person
        sid = before.sid if before is not None and same else secrets.token_urlsafe(16)
        session = BrowserSession(sid=sid, person=person, auth_time=int(self.clock()))
        return self.sessions.put(session), session

    def answer(self, request: AuthorizationRequest, session: BrowserSession) -> str:
        """The redirect that carries a fresh code."""
        code = self._codes.put(Grant(request=request, session=session))
        return self.redirect(request.redirect_uri, {"code": code, "state": request.state})

    def redirect(self, redirect_uri: str, answer: Mapping[str, str | None]) -> str:
        """The redirect URI with the answer and ``iss`` (RFC 9207) added to its query."""
        present = {name: value for name, value in answer.items() if value is not None}
        parts = urlsplit(redirect_uri)
        added = urlencode({**present, "iss": self.issuer})
        return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))

    def redeem(self, form: Mapping[str, str]) -> dict[str, object]:
        """Tokens for a code, from an authenticated client. Raises `TokenError`."""
        if "grant_type" not in form:
            raise TokenError("invalid_request", "grant_type is missing.")
        if form["grant_type"] != "authorization_code":
            raise TokenError("unsupported_grant_type", "Only authorization_code is offered.")
        missing = [name for name in ("code", "redirect_uri", "code_verifier") if not form.get(name)]
        if missing:
            raise TokenError("invalid_request", f"Missing: {', '.join(missing)}.")
        code = form["code"]
        if (given := self._spent.get(code)) is not None:
            self.access.take(given)
            raise TokenError("invalid_grant", "The code was used before.")
        grant = self._codes.take(code)
        if grant is None:
            raise TokenError("invalid_grant", "The code is unknown or too old.")
        if form["redirect_uri"] != grant.request.redirect_uri:
            raise TokenError("invalid_grant", "The redirect_uri is not the one of the authorization request.")
        challenge = code_challenge_of(form["code_verifier"])
        if not hmac.compare_digest(challenge, grant.request.code_challenge):
            raise TokenError("invalid_grant", "The code_verifier does not fit.")
        return self._tokens(code, grant)

    def _tokens(self, code: str, grant: Grant) -> dict[str, object]:
        access_token = self.access.put(grant)
        self._spent.put(access_token, key=code)
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": " ".join(grant.request.scope),
            "id_token": self.key.sign(self._id_claims(grant, access_token)),
        }

    def _id_claims(self, grant: Grant, access_token: str) -> dict[str, object]:
        now = int(self.clock())
        claims = claims_of(grant.session.person, grant.request.scope)
        claims |= {
            "iss": self.issuer,
            "aud": self.client.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "sid": grant.session.sid,
            "auth_time": grant.session.auth_time,
            "at_hash": access_token_hash(access_token),
        }
        if grant.request.nonce is not None:
            claims["nonce"] = grant.request.nonce
        return claims

    def logout_token(self, session: BrowserSession) -> str:
        """A token for the client's back channel (OpenID Connect Back-Channel Logout 1.0 §2.4)."""
        now = int(self.clock())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.client.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_urlsafe(16),
            "sub": session.person.sub,
            "sid": session.sid,
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }
        return self.key.sign(claims, typ="logout+jwt")
