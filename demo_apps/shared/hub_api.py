"""The hub's HTTP API, as far as the demo servers need it: keys, documents, commits.

Calls go to ``hub_url`` and name the public host, because a hub answers only to its own names. A commit carries an
idempotency key, so it is repeated after a broken connection without counting twice.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

TIMEOUT_SECONDS = 5.0
MERGE_PATCH = "application/merge-patch+json"


class HubRefused(Exception):
    """The hub said no, or could not be reached (status 503). ``code`` and ``detail`` are the problem's own."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The document one may see, at its position."""

    document: Mapping[str, Any]
    position: str


class HubApi:
    """Calls to one hub. ``bearer`` is a context token or a service key."""

    def __init__(self, *, hub_url: str, public_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=hub_url,
            headers={"Host": urlsplit(public_url).netloc},
            timeout=TIMEOUT_SECONDS,
            transport=transport or httpx.AsyncHTTPTransport(retries=1),
            trust_env=False,
        )

    async def keys(self) -> list[dict[str, Any]]:
        """The public keys of context tokens."""
        body = (await self._call("GET", "/.well-known/jwks.json")).json()
        keys: list[dict[str, Any]] = body["keys"]
        return keys

    async def document(self, bearer: str, sid: str = "me") -> Snapshot:
        """Read the document and its position."""
        answer = await self._call("GET", f"/v1/sessions/{quote(sid, safe='')}/document", bearer=bearer)
        return Snapshot(answer.json(), answer.headers.get("etag", "").removeprefix("W/").strip('"'))

    async def commit(
        self, bearer: str, patch: Mapping[str, Any], *, sid: str = "me", if_position: str | None = None
    ) -> str:
        """Commit a merge patch (RFC 7396) and return the new position. `HubRefused` 412 when the session moved on."""
        headers = {"Content-Type": MERGE_PATCH, "Idempotency-Key": secrets.token_urlsafe(18)}
        if if_position is not None:
            headers["If-Match"] = f'"{if_position}"'
        path = f"/v1/sessions/{quote(sid, safe='')}/document"
        position: str = (await self._call("PATCH", path, bearer=bearer, json=patch, headers=headers)).json()["position"]
        return position

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        bearer: str | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        sent = {**(headers or {}), **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        request = self._http.build_request(method, path, json=json, headers=sent)
        try:
            answer = await self._http.send(request)
        except httpx.TransportError:
            answer = await self._again(request)
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    async def _again(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._http.send(request)
        except httpx.TransportError as error:
            raise HubRefused(503, "unreachable", "The hub cannot be reached at the moment.") from error


def _refusal(answer: httpx.Response) -> HubRefused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = problem.get("detail") or problem.get("title") or f"The hub answered {answer.status_code}."
    return HubRefused(answer.status_code, str(problem.get("code", "refused")), str(detail))
