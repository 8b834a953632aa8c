"""Targets that are requests: headers, queries and bodies of every route, of a hub inside this process."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.fuzz.inputs import json_like, members, mutated
from tests.fuzz.inside import Answer, Headers, Inside
from tests.fuzz.targets import Target

MERGE, JSON_PATCH, FORM = (
    b"application/merge-patch+json",
    b"application/json-patch+json",
    b"application/x-www-form-urlencoded",
)
WHO = st.sampled_from(["user", "browser", "service", "nobody"])
READS = (
    "/v1/sessions", "/v1/sessions/me", "/v1/sessions/me/document", "/v1/sessions/me/document/profile",
    "/v1/sessions/me/changes",
    "/v1/sessions/me/events", "/v1/sessions/me/live", "/v1/users/ada/sessions", "/auth/login", "/auth/callback",
    "/auth/signed-out",
    "/auth/handover", "/auth/enter", "/auth/verify", "/", "/docs", "/openapi.json", "/healthz", "/client/x",
    "/apps/a/x",
)  # fmt: skip
WRITES = (
    ("PATCH", "/v1/sessions/me/document"), ("PUT", "/v1/sessions/me/document/profile"), ("DELETE",
    "/v1/sessions/me/document/cart"),
    ("POST", "/v1/sessions/me/tickets"), ("POST", "/v1/commits"), ("POST", "/v1/sessions"), ("POST", "/auth/logout"),
    ("POST", "/auth/backchannel"), ("DELETE", "/v1/sessions/me"),
)  # fmt: skip
HEADERS: dict[bytes, list[bytes]] = {
    b"cookie": [b"hub=hub_st_abc.def; other=1", b"hub_tx_12345678=k1.AAAA", b"a=b;;=;hub", b"hub=a; hub=b"],
    b"authorization": [
        b"Bearer hub_st_abc.def",
        b"bearer  x",
        b"Basic eDp5",
        b"Bearer eyJhbGciOiJub25lIn0.e30.",
        b"Bearer",
    ],
    b"if-match": [b'"42.9f3a1c02"', b'W/"1.00000000"', b"*", b'"x", "y"'],
    b"if-none-match": [b'"42.9f3a1c02-aabbccdd"', b"*", b'W/"x"'],
    b"prefer": [b"return=minimal", b'return="representation"; x=1, wait=5'],
    b"idempotency-key": [b"a-key-of-these-tests", b"x" * 64, b""],
    b"x-forwarded-for": [b"1.2.3.4, ::1", b"unknown"],
    b"x-forwarded-host": [b"evil.example"],
    b"x-forwarded-proto": [b"https"],
    b"x-original-uri": [b"/apps/a/../../x#y?z"],
    b"forwarded": [b'for="[::1]";proto=https;host=x'],
    b"origin": [b"http://127.0.0.1:8000", b"null", b"http://page.test", b"https://evil.example"],
    b"referer": [b"http://127.0.0.1:8000/x", b"http://[::1"],
    b"sec-fetch-site": [b"same-origin", b"cross-site"],
    b"last-event-id": [b"42.9f3a1c02/aabbccdd", b"1.00000000/"],
    b"content-type": [MERGE, JSON_PATCH, FORM, b"application/x-ndjson", b"application/json; charset=x", b";", b""],
    b"accept": [b"text/event-stream", b"*/*;q=x"],
    b"content-length": [b"5", b"-1", b"99999999999", b"x"],
    b"transfer-encoding": [b"chunked", b"gzip, chunked"],
    b"x-hub-csrf": [b"1", b"0"],
    b"x-hub-verify-key": [b"x"],
    b"traceparent": [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    b"access-control-request-method": [b"PATCH"],
    b"connection": [b"close, x-hub-session"],
    b"upgrade": [b"websocket"],
    b"user-agent": [b"Mozilla/5.0 \xe9", b"\x01"],
    b"host": [b"127.0.0.1:8000", b"evil.example"],
}
PARAMETERS: dict[bytes, list[bytes]] = {
    b"limit": [b"5", b"", b"0", b"999999999"],
    b"cursor": [b"x", b"MTIz"],
    b"provider": [b"main", b"other"],
    b"user": [b"ada"],
    b"status": [b"live"],
    b"since": [b"1.00000000", b"42.9f3a1c02"],
    b"wait": [b"0"],
    b"sections": [b"profile,cart", b",,"],
    b"position": [b"1.00000000"],
    b"view": [b"aabbccdd"],
    b"app": [b"a", b"x"],
    b"presence": [b"1"],
    b"return_to": [b"/apps/a", b"//x", b"%2f%2fx"],
    b"prompt": [b"login", b"none"],
    b"state": [b"12345678.x"],
    b"code": [b"y"],
    b"iss": [b"http://x"],
    b"error": [b"access_denied"],
    b"reason": [b"revoked"],
    b"everywhere": [b"1"],
    b"a[]": [b"%", b"&=&"],
}

_parameter = st.sampled_from(sorted(PARAMETERS)).flatmap(
    lambda name: mutated(PARAMETERS[name]).map(lambda value: name + b"=" + _writable(value))
)
_queries = st.lists(_parameter, max_size=4).map(b"&".join)
_header = st.sampled_from(sorted(HEADERS)).flatmap(
    lambda name: st.tuples(st.just(name), mutated(HEADERS[name]).map(_writable))
)
_headers = st.lists(_header, max_size=5)


def _writable(value: bytes) -> bytes:
    """As far as the server in front lets a value through."""
    return value.translate(None, b"\x00\r\n")[:4000]


_routes = st.sampled_from(
    [
        *(("GET", path) for path in READS),
        *WRITES,
        ("GET", "/auth/login?prompt=login"),
        ("OPTIONS", "/v1/sessions"),
        ("HEAD", "/docs"),
    ]
)
_bodies = st.just(b"") | json_like({"profile": {"a": 1}})
_line = json_like({"sid": "SID", "patch": {"profile": {"a": 1}}, "key": "k"}, {"sid": "x", "patch": {}}) | members(
    {
        "sid": st.just("SID"),
        "patch": st.just({"profile": {"b": 1}}),
        "ops": st.just([{"op": "add", "path": "/cart", "value": {}}]),
        "key": st.just("k"),
        "if_position": st.just("1.00000000"),
    }
).map(lambda value: json.dumps(value).encode())
_forms = [b"everywhere=1&csrf=x&return_to=/", urlencode({"csrf": "x" * 43, "everywhere": ""}).encode()]
_tokens = [
    b"logout_token=a.b.c",
    b"logout_token=eyJhbGciOiJFUzI1NiJ9.e30.AAAA&x=1",
    b"logout_token=a&logout_token=b",
]
_patches = json_like({"profile": {"a": 1}, "cart": None}, [{"op": "add", "path": "/profile/x", "value": [1]}])
_media = st.sampled_from([MERGE, JSON_PATCH, b"application/json"])
_paths = [b"/v1/sessions/me/document/profile", b"/v1/users/ada%2fx/sessions", b"/apps/a/%2e%2e/v1",
         b"/client/../x.js",
         b"/auth//login", b"/apps/a;x/y", b"/.well-known/jwks.json"]  # fmt: skip


class Requests:
    """The targets; a session that was ended by an input is followed by another."""

    def __init__(self, hub: Inside) -> None:
        self._hub = hub

    def _ask(
        self,
        method: str,
        path: str | bytes,
        who: str,
        query: bytes = b"",
        headers: Headers | None = None,
        body: bytes = b"",
    ) -> Answer:
        if isinstance(path, str):
            path, _, more = path.encode().partition(b"?")
            query = query or more
        shown = [*self._hub.credential(who), *(headers or [])]
        answer = self._hub.ask(method, path, query, shown, body)
        is_apps = answer.status in (502, 503) and path.startswith(b"/apps/")
        assert answer.status < 500 or is_apps, (answer.status, answer.body)
        if answer.header(b"content-type") == b"application/problem+json":
            assert {"type", "title", "status", "code"} <= json.loads(answer.body).keys()
        assert b"Traceback" not in answer.body
        assert not any(b"\r" in value or b"\n" in value for _, value in answer.headers)
        if method in ("DELETE", "POST") and answer.status in (204, 303):
            self._hub.log_in()
        return answer

    def headers(self, given: tuple[tuple[str, str], str, Headers, bytes]) -> None:
        """Any headers, on any route, by anybody."""
        (method, path), who, headers, body = given
        self._ask(method, path, who, b"", headers, body)

    def query(self, given: tuple[str, str, bytes]) -> None:
        """Any query, on any route that reads."""
        path, who, query = given
        self._ask("GET", path, who, query)

    def path(self, given: tuple[str, str, bytes]) -> None:
        """Any path."""
        method, who, path = given
        self._ask(method, path, who)

    def document(self, given: tuple[str, str, bytes, bytes]) -> None:
        """Any patch through HTTP; what was refused changed nothing."""
        method, who, media_type, body = given
        path = "/v1/sessions/me/document" + ("/profile" if method == "PUT" else "")
        headers = [(b"content-type", media_type), (b"if-match", b'"' + self._hub.position + b'"')]
        before = self._document()
        answer = self._ask(method, path, who, b"", headers, body)
        if answer.status >= 400 and method != "DELETE":
            assert self._document() == before
        self._hub.position = self._position()

    def _document(self) -> Any:
        return json.loads(self._ask("GET", "/v1/sessions/me/document", "user").body)

    def _position(self) -> bytes:
        tag = self._ask("GET", "/v1/sessions/me/document", "user").header(b"etag")
        return tag.strip(b'"').partition(b"-")[0]

    def log_out(self, given: tuple[str, Headers, bytes]) -> None:
        """The log-out form."""
        who, headers, body = given
        self._ask("POST", "/auth/logout", who, b"", [(b"content-type", FORM), *headers], body)

    def order(self, body: bytes) -> None:
        """The form of a back-channel log-out: 200 or 400."""
        answer = self._ask("POST", "/auth/backchannel", "nobody", b"", [(b"content-type", FORM)], body)
        assert answer.status in (200, 400)

    def batch(self, lines: list[bytes]) -> None:
        """A service's batch: 200, and a result for each line."""
        body = b"\n".join(line.replace(b"SID", self._hub.sid.encode()) for line in lines)
        headers = [(b"content-type", b"application/x-ndjson")]
        answer = self._ask("POST", "/v1/commits", "service", b"", headers, body)
        if answer.status == 200:
            results = [json.loads(line) for line in answer.body.splitlines()]
            assert len(results) == len([line for line in body.split(b"\n") if line.strip()])
            assert all(result["status"] < 500 for result in results), results

    def targets(self) -> list[Target]:
        """All of them."""
        return [
            Target("request headers", st.tuples(_routes, WHO, _headers, _bodies), self.headers, is_remote=True),
            Target(
                "query",
                st.tuples(st.sampled_from(READS), WHO, _queries),
                self.query,
                is_remote=True,
            ),
            Target(
                "path",
                st.tuples(st.sampled_from(["GET", "PUT", "PATCH", "DELETE", "POST", "X"]), WHO, mutated(_paths)),
                self.path,
                is_remote=True,
            ),
            Target(
                "document",
                st.tuples(st.sampled_from(["PATCH", "PUT"]), WHO, _media, _patches),
                self.document,
                is_remote=True,
            ),
            Target("log-out form", st.tuples(WHO, _headers, mutated(_forms)), self.log_out, is_remote=True),
            Target("back-channel form", mutated(_tokens), self.order, is_remote=True),
            Target("batch", st.lists(_line, max_size=5), self.batch, is_remote=True),
        ]
