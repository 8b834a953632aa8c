"""Log-in in a browser: OpenID Connect authorization code flow with PKCE, from the hub's side, without HTTP frameworks.

``begin`` gives a redirect to the provider; ``finish`` takes the callback's query and gives the facts to open a session
with. What the user or a stranger did wrong is ``LogInFailed``; a provider that does not answer ``ProviderUnavailable``.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

import httpx

from hub.core.json import Json, Object
from hub.core.ports import Clock
from hub.errors import ProviderUnavailable, Unauthenticated
from hub.identity import claims as rules
from hub.identity.claims import Kind
from hub.identity.compact import Compact, parse
from hub.identity.fetching import FetchFailed, fetch_json
from hub.identity.jwk import ALGORITHMS
from hub.identity.jwks import ProviderDirectory
from hub.identity.log_ins import Proven, proven
from hub.identity.providers import Provider
from hub.identity.tokens import verify
from hub.identity.transactions import LogInFailed, Transaction, Transactions
from hub.identity.userinfo import completed

log = logging.getLogger("hub.identity")

CALLBACK_PATH = "/auth/callback"
SIGNED_OUT_PATH = "/auth/signed-out"
LONGEST_HINT = 3072  # of an ID token that is kept for its log-out: it travels in a URL
PROMPTS = frozenset({"login", "select_account"})


@dataclass(frozen=True, slots=True)
class Begun:
    """Send the browser to ``location`` with these ``Set-Cookie`` values."""

    location: str = field(repr=False)
    set_cookies: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """The user is known: open a session, then send the browser to ``return_to``."""

    proof: Proven
    transaction: Transaction

    @property
    def return_to(self) -> str:
        """A same-origin path."""
        return self.transaction.return_to


def id_token_kind(provider: Provider, nonce: str) -> Kind:
    """What the ID token of one flow must be (OpenID Connect Core §3.1.3.7)."""
    client = frozenset({provider.client_id})
    return Kind(
        issuer=provider.issuer,
        audiences=client,
        types=frozenset({"", "jwt"}),
        algorithms=frozenset(ALGORITHMS),
        nonce=nonce,
        parties=client,
        is_for_client=True,
    )


class Oidc:
    """The hub as a client of its providers. ``door_url`` is the origin at which a browser meets the hub."""

    def __init__(
        self,
        directories: Iterable[tuple[Provider, ProviderDirectory]],
        transactions: Transactions,
        http: httpx.AsyncClient,
        clock: Clock,
    ) -> None:
        self._directories = {provider.name: (provider, directory) for provider, directory in directories}
        self._transactions, self._http, self._clock = transactions, http, clock

    @property
    def providers(self) -> list[str]:
        """Names of the providers one can log in with."""
        return list(self._directories)

    async def begin(
        self, provider: str, return_to: str, cookies: Iterable[str], prompt: str | None = None, *, door_url: str
    ) -> Begun:
        """Begin a log-in. ``return_to`` is safe already. Raises ``LogInFailed`` for an unknown provider."""
        configured, directory = self._of(provider)
        metadata = await directory.metadata_to_go_to()
        if metadata.authorization_endpoint is None or metadata.token_endpoint is None:
            raise LogInFailed("This identity provider offers no log-in in a browser.")
        transaction, set_cookies = self._transactions.begin(provider, return_to, door_url, cookies)
        asked = {
            "response_type": "code",
            "client_id": configured.client_id,
            "redirect_uri": door_url + CALLBACK_PATH,
            "scope": " ".join(configured.scopes),
            "state": transaction.state,
            "nonce": transaction.nonce,
            "code_challenge": challenge_of(transaction.verifier),
            "code_challenge_method": "S256",
        }
        if prompt in PROMPTS:
            asked["prompt"] = prompt
        return Begun(_with_query(metadata.authorization_endpoint, asked), set_cookies)

    async def finish(
        self, query: Sequence[tuple[str, str]], cookies: Iterable[str], agent: str = "", *, door_url: str
    ) -> Finished:
        """Finish the log-in that this callback belongs to; from here on its transaction is used."""
        said = dict(query)
        if len(said) != len(query) or not said.get("state"):
            raise LogInFailed("The answer of the identity provider is not well-formed.")
        transaction = self._transactions.find(said["state"], cookies)
        if transaction.door_url != door_url:
            raise LogInFailed("This log-in was begun at another address of this hub.")
        await self._transactions.spend(transaction)
        provider, directory = self._of(transaction.provider)
        try:
            self._check_answer(said, provider, says_iss=(await directory.metadata()).says_iss)
            claims, token = await self._redeem(said["code"], transaction, provider, directory)
            proof = proven(provider, claims, began_ms=transaction.began_ms, agent=agent, digest=token.digest)
            proof = replace(proof, id_token=token.text if len(token.text) <= LONGEST_HINT else "")
        except ProviderUnavailable:
            await self._transactions.release(transaction)
            raise
        except Unauthenticated as refusal:
            raise LogInFailed("The identity provider's answer does not prove who you are.") from refusal
        return Finished(proof, transaction)

    async def end_session_url(self, provider: str, *, door_url: str, id_token: str = "") -> str | None:
        """Where the user ends the session at the provider (RP-Initiated Logout 1.0), if it offers that and answers.

        With the ID token of the log-in the provider knows which session is meant, and need not ask.
        """
        if provider not in self._directories:
            return None
        configured, directory = self._of(provider)
        try:
            endpoint = (await directory.metadata_to_go_to()).end_session_endpoint
        except ProviderUnavailable:
            return None
        back = {"client_id": configured.client_id, "post_logout_redirect_uri": door_url + SIGNED_OUT_PATH}
        if id_token:
            back["id_token_hint"] = id_token
        return _with_query(endpoint, back) if endpoint else None

    async def end_session_origins(self, provider: str) -> list[str]:
        """Where ``end_session_url`` may lead, whether or not the provider answers now."""
        if provider not in self._directories:
            return []
        try:
            endpoint = (await self._directories[provider][1].metadata()).end_session_endpoint
        except ProviderUnavailable:
            return []
        parts = urlsplit(endpoint or "")
        return [f"{parts.scheme}://{parts.netloc}"] if endpoint else []

    def _of(self, provider: str) -> tuple[Provider, ProviderDirectory]:
        if provider not in self._directories:
            raise LogInFailed("There is no identity provider of this name.")
        return self._directories[provider]

    def _check_answer(self, said: dict[str, str], provider: Provider, *, says_iss: bool) -> None:
        """RFC 9207 §2.4: an answer of another issuer is a mix-up. RFC 6749 §4.1.2.1: an answer can be an error."""
        if said.get("iss", None if says_iss else provider.issuer) != provider.issuer:
            raise LogInFailed("The answer came from another identity provider than the one that was asked.")
        if "error" in said:
            raise LogInFailed(_REFUSALS.get(said["error"], "The identity provider did not let you in."))
        if not said.get("code"):
            raise LogInFailed("The answer of the identity provider is not well-formed.")

    async def _redeem(
        self, code: str, transaction: Transaction, provider: Provider, directory: ProviderDirectory
    ) -> tuple[Object, Compact]:
        """Claims and the ID token itself that ``code`` stands for (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": transaction.door_url + CALLBACK_PATH,
            "code_verifier": transaction.verifier,
        }
        auth = None
        if provider.client_secret is None:
            form["client_id"] = provider.client_id
        else:  # RFC 6749 §2.3.1: form-encoded before they become Basic
            auth = (quote_plus(provider.client_id), quote_plus(provider.client_secret))
        try:
            endpoint = (await directory.metadata()).token_endpoint or ""
            said = await fetch_json(self._http, endpoint, form=form, auth=auth)
        except FetchFailed as failure:
            log.warning("code_not_redeemed", extra={"provider": provider.name, "why": str(failure)})
            if failure.status == httpx.codes.BAD_REQUEST:
                raise LogInFailed("The identity provider did not accept this log-in.") from None
            raise ProviderUnavailable from None
        return await self._id_token(said, transaction, provider, directory)

    async def _id_token(
        self, said: Json, transaction: Transaction, provider: Provider, directory: ProviderDirectory
    ) -> tuple[Object, Compact]:
        text = said.get("id_token") if isinstance(said, dict) else None
        access = said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(text, str):
            raise LogInFailed("The identity provider's answer holds no ID token.")
        token, kind, now = parse(text), id_token_kind(provider, transaction.nonce), self._clock.now_ms() / 1000
        rules.check(token, kind, now)
        key = await directory.key_for(token)
        access = access if isinstance(access, str) else None
        claims = verify(token, key, kind, now, access_token=access)
        endpoint = (await directory.metadata()).userinfo_endpoint
        return await completed(self._http, endpoint, access, claims, provider.claims.values()), token


_REFUSALS = {
    "access_denied": "You did not agree to log in, or are not allowed to.",
    "login_required": "The identity provider wants you to log in there first.",
    "temporarily_unavailable": "The identity provider has too much to do. Try again in a moment.",
}


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _with_query(url: str, parameters: dict[str, str]) -> str:
    parts = urlsplit(url)
    added = urlencode(parameters)
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
