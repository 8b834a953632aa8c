"""What the tests of identity stand on: a clock one can turn, keys, sessions in memory, an authenticator."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub.core.access import Grants
from hub.core.position import Position
from hub.core.session import Ending, LogIn, Session
from hub.identity.authenticator import Allowed, Authenticator
from hub.identity.buckets import Buckets
from hub.identity.cookies import Cookies
from hub.identity.credentials import Credentials, Purpose
from hub.identity.doors import Doors
from hub.identity.operators import OperatorRule, Operators
from hub.identity.services import Service, Services
from hub.identity.session_tokens import SessionTokens
from hub.identity.tokens import ContextSigner, SigningKey

PUBLIC_URL = "https://hub.example.com"
ISSUER = "https://id.example.com"
NOW = 1_800_000_000
SID = "0123456789abcdef-AAAAAAAAAAAAAAAAAAAAAA"
SERVICE_KEY = "hub_sk_billing_Zm9vYmFyYmF6cXV1eA"


@dataclass
class Clock:
    """The store's time, moved by hand. ``seconds`` doubles as a monotonic clock."""

    seconds: float = float(NOW)

    def now_ms(self, sid: str | None = None) -> int:
        return round(self.seconds * 1000)

    def __call__(self) -> float:
        return self.seconds


def p256_pem() -> bytes:
    private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signing_key(kid: str, state: Literal["active", "next", "old"] = "active") -> SigningKey:
    return SigningKey(kid, p256_pem(), state)


def session(verifier: bytes = b"", **changes: Any) -> Session:
    log_in = LogIn("main", ISSUER, "ada", auth_time=NOW, began_ms=NOW * 1000)
    made = Session(
        sid=SID,
        log_in=log_in,
        position=Position(3, "9f3a1c02"),
        document={"identity": {"name": "Ada", "roles": ["hub-operators"]}},
        created_ms=NOW * 1000,
        expires_ms=(NOW + 43_200) * 1000,
        idle_expires_ms=(NOW + 1800) * 1000,
        chain=b"",
        verifier=verifier,
        data_key=b"",
    )
    return replace(made, **changes)


@dataclass
class World:
    """An authenticator with one session, one service and two apps."""

    clock: Clock = field(default_factory=Clock)
    sessions: dict[str, Session] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    failures_per_minute: int = 5
    apps: Mapping[str, Grants] = field(default_factory=lambda: {"a": {"profile": "write"}, "b": {"identity": "write"}})

    def __post_init__(self) -> None:
        self.tokens = SessionTokens({"k1": b"1" * 32, "k0": b"0" * 32}, "k1")
        self.contexts = ContextSigner([signing_key("c1")], PUBLIC_URL, self.clock)
        self.token, verifier = self.tokens.new(SID)
        self.sessions[SID] = session(verifier)
        self.authenticator = Authenticator(
            read=self.read,
            tokens=self.tokens,
            contexts=self.contexts,
            services=Services([billing()]),
            operators=Operators({"main": OperatorRule("roles", "hub-operators")}, 3600, self.clock),
            cookies=Cookies(secure=True),
            doors=Doors(PUBLIC_URL, None, ["https://shop.example.com"]),
            allowed=Allowed(browser={"profile": "write"}, apps=self.apps),
            failures=Buckets(self.failures_per_minute, self.clock),
        )

    async def read(self, sid: str, /) -> Session | None:
        self.reads.append(sid)
        return self.sessions.get(sid)

    def end(self, reason: Literal["revoked", "logged_out"] = "revoked") -> None:
        self.sessions[SID] = replace(self.sessions[SID], document={}, ending=Ending(reason, NOW * 1000))


def billing() -> Service:
    digest = "1a2c4de8b9fa1bb8bd5c24f4e7d8bd27b6ef8b0e2c6ac19ab3c45b28c7e9a3f0"
    return Service("billing", [digest, sha256(SERVICE_KEY)], {"cart": "write"}, may_list=True)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def request(
    *,
    method: str = "GET",
    purpose: Purpose = "api",
    address: str = "192.0.2.1",
    app_origins: frozenset[str] = frozenset(),
    **headers: str,
) -> Credentials:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Credentials.of(method, raw, purpose=purpose, address=address, app_origins=app_origins)


def bearer(token: str, purpose: Purpose = "api", address: str = "192.0.2.1") -> Credentials:
    return request(authorization=f"Bearer {token}", purpose=purpose, address=address)


def cookie(token: str, **more: Any) -> Credentials:
    return request(cookie=f"__Host-hub={token}", **more)
