"""A hub of one session, small enough to read: it lets the demo's pages be tested without a store or a log-in.

It speaks the live protocol (snapshot, change, committed, rejected, presence, ended), signs context tokens, checks the
demo's schemas and forwards ``/apps/<name>/``. It knows nothing of views, resuming, or more than one person.
"""

import hashlib
import json
import time
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from hub.core import patch as patches
from hub.core.document import apply
from hub.errors import HubError

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo_apps"
CONFIGURATION = tomllib.loads((DEMO / "hub.toml").read_text(encoding="utf-8"))
SID = "demo-session"
SERVICE_KEY = "hub_sk_billing_test"
IDENTITY = {"name": "Ada Lovelace", "email": "ada@analytical.example", "roles": ["hub-operators"]}
UNTHINKABLE_BYTES = 1_000_000

Message = dict[str, Any]


def _signing_key() -> tuple[str, dict[str, Any]]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public: dict[str, Any] = jwk.construct(pem, "ES256").public_key().to_dict()
    return pem, {**public, "kid": "k1", "use": "sig", "alg": "ES256"}


PRIVATE_PEM, PUBLIC_JWK = _signing_key()


def context_token(issuer: str, app: str, **changes: Any) -> str:
    """A context token as the hub makes it; ``changes`` replace claims, None leaves one out."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": app,
        "sub": "ada",
        "sid": SID,
        "pos": "1.00000000",
        "grants": CONFIGURATION["apps"].get(app, {}).get("sections", {}),
        "iat": now,
        "exp": now + 60,
        "jti": "j",
    } | changes
    present = {name: value for name, value in claims.items() if value is not None}
    token: str = jwt.encode(present, PRIVATE_PEM, algorithm="ES256", headers={"kid": "k1", "typ": "hub-session+jwt"})
    return token


async def _send(connection: WebSocket, message: Message) -> None:
    """Send, unless the page went away meanwhile."""
    with suppress(WebSocketDisconnect, RuntimeError):
        await connection.send_json(message)


@dataclass
class FakeHub:
    """The session, its connections, and the upstreams by app name."""

    public_url: str = "http://localhost:8000"
    upstreams: dict[str, str] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    revision: int = 1
    ended: str | None = None
    inline_document: bool = True
    connections: dict[WebSocket, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sections = CONFIGURATION["sections"]
        self.start_again(self.document)
        self._schemas = {
            name: jsonschema_rs.validator_for(json.loads((DEMO / section["schema"]).read_text(encoding="utf-8")))
            for name, section in sections.items()
        }

    def start_again(self, document: dict[str, Any]) -> None:
        """Another session, with these sections and the initial ones of the configuration."""
        initial = {name: section["initial"] for name, section in CONFIGURATION["sections"].items()}
        self.document = {"identity": IDENTITY} | initial | document
        self.revision, self.ended = 1, None

    @property
    def position(self) -> str:
        tag = hashlib.sha256(f"{self.revision}{json.dumps(self.document)}".encode()).hexdigest()[:8]
        return f"{self.revision}.{tag}"

    def problem(self, status: int, code: str, **facts: Any) -> Message:
        return {"code": code, "status": status, "title": code, "detail": code, "retryable": False, **facts}

    async def commit(self, body: Message, actor: str, author: WebSocket | None = None) -> Message:
        """Apply a patch or ops and push the change. Returns ``{base, position, changed}`` or a problem."""
        if body.get("if_position") not in (None, self.position):
            return self.problem(412, "position_mismatch", current=self.position)
        try:
            wish = patches.merge_patch(body["patch"]) if body.get("patch") else patches.json_patch(body["ops"])
            ops = wish.ops_for(self.document, UNTHINKABLE_BYTES)
            after = apply(self.document, ops)
        except HubError as error:
            return self.problem(409, type(error).__name__, detail=str(error))
        for name in wish.writes:
            for fault in self._schemas[name].iter_errors(after.get(name)):
                errors = [{"pointer": f"/{name}", "message": fault.message}]
                return self.problem(422, "schema_violation", errors=errors)
        base = self.position
        if ops:
            self.document, self.revision = after, self.revision + 1
            change = {"type": "change", "base": base, "position": self.position, "ops": ops, "actor": actor}
            change["at"] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".123Z"
            for connection in list(self.connections):
                own = {"commit": body["id"]} if connection is author else {}
                await _send(connection, {**change, **own})
        return {"base": base, "position": self.position, "changed": bool(ops)}

    async def end(self, reason: str) -> None:
        self.ended = reason
        for connection in list(self.connections):
            await _send(connection, {"type": "ended", "reason": reason, "ended_at": "2026-01-01T00:00:00.000Z"})
            with suppress(WebSocketDisconnect, RuntimeError):
                await connection.close(4500)

    async def tell_presence(self) -> None:
        names = [
            {"id": str(id(connection)), "app": app, "since": "2026-01-01T00:00:00.000Z"}
            for connection, app in self.connections.items()
        ]
        for connection in list(self.connections):
            await _send(connection, {"type": "presence", "connections": names})

    async def live(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol="hub.v1")
        if self.ended:
            await socket.send_json({"type": "ended", "reason": self.ended})
            await socket.close(4500)
            return
        session = {"sid": SID, "user": "ada", "expires_at": "2030-01-01T00:00:00.000Z"}
        state = {"position": self.position, "view": "0badcafe"}
        await socket.send_json(
            {"type": "snapshot", **state, "reason": "new", "session": session, "document": self.document}
        )
        await socket.send_json({"type": "live", **state})
        self.connections[socket] = socket.query_params.get("app")
        await self.tell_presence()
        try:
            while True:
                await self._hear(socket, await socket.receive_json())
        except WebSocketDisconnect:
            pass
        finally:
            self.connections.pop(socket, None)
            await self.tell_presence()

    async def _hear(self, socket: WebSocket, message: Message) -> None:
        if message["type"] != "commit":
            return
        result = await self.commit(message, "user", socket)
        if "code" in result:
            await socket.send_json({"type": "rejected", "id": message["id"], "problem": result})
        else:
            await socket.send_json({"type": "committed", "id": message["id"], **result})

    async def document_over_http(self, request: Request) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if request.url.netloc not in self.public_url:
            return JSONResponse(self.problem(421, "unknown_host"), status_code=421)
        if bearer == SERVICE_KEY:
            actor = "service:billing"
        else:
            claims = jwt.decode(bearer, PUBLIC_JWK, algorithms=["ES256"], options={"verify_aud": False})
            actor = f"app:{claims['aud']}"
        if request.path_params["sid"] not in ("me", SID):
            return JSONResponse(self.problem(404, "session_not_found"), status_code=404)
        if self.ended:
            return JSONResponse(self.problem(401, "session_ended", reason=self.ended), status_code=401)
        if request.method == "GET":
            return JSONResponse(self.document, headers={"ETag": f'"{self.position}"'})
        if_match = request.headers.get("if-match", "").strip('"') or None
        result = await self.commit({"patch": await request.json(), "if_position": if_match}, actor)
        return JSONResponse(result, status_code=result.get("status", 200))

    async def forward(self, request: Request) -> Response:
        name = request.path_params["app"]
        document = self.document if self.inline_document else None
        token = context_token(self.public_url, name, pos=self.position, document=document)
        headers = {"X-Hub-Session": token, "Accept": request.headers.get("accept", "*/*")}
        async with httpx.AsyncClient(base_url=self.upstreams[name], trust_env=False) as http:
            answer = await http.request(request.method, request.url.path, headers=headers)
        dropped = {"content-length", "content-encoding", "transfer-encoding", "connection", "date"}
        kept = {name: value for name, value in answer.headers.items() if name not in dropped}
        return Response(answer.content, answer.status_code, kept)

    async def logout(self, _: Request) -> Response:
        await self.end("logged_out")
        return Response(status_code=204)

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [PUBLIC_JWK]})

    async def signed_out(self, request: Request) -> Response:
        return HTMLResponse(f'<link rel="icon" href="data:,"><h1>Signed out: {request.query_params.get("reason")}</h1>')

    async def home(self, _: Request) -> Response:
        return RedirectResponse("/apps/desk/", status_code=302)

    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(
            routes=[
                Route("/", self.home),
                Route("/.well-known/jwks.json", self.keys),
                WebSocketRoute("/v1/sessions/me/live", self.live),
                Route("/v1/sessions/{sid}/document", self.document_over_http, methods=["GET", "PATCH"]),
                Route("/auth/logout", self.logout, methods=["POST"]),
                Route("/auth/signed-out", self.signed_out),
                Route("/apps/{app}/{rest:path}", self.forward, methods=["GET", "POST"]),
                Mount("/client", StaticFiles(directory=ROOT / "client_js")),
            ]
        )
