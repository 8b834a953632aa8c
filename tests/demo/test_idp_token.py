"""Codes become tokens once, for the client they were made for, and the tokens say the truth."""

import base64
import hashlib

import httpx
import pytest
from jose import jwt

from tests.demo.oidc import REDIRECT_URI, Flow, query_of
from tests.demo.provider_case import ISSUER, Case, provider_case


async def id_claims(case: Case, tokens: dict[str, str]) -> dict[str, object]:
    """The ID token's claims, verified with the published keys as a client does."""
    keys = (await case.http.get("/jwks.json")).json()["keys"]
    header = jwt.get_unverified_header(tokens["id_token"])
    (key,) = [one for one in keys if one["kid"] == header["kid"]]
    options = {"verify_exp": False}
    claims: dict[str, object] = jwt.decode(
        tokens["id_token"],
        key,
        algorithms=["RS256"],
        audience="hub",
        issuer=ISSUER,
        access_token=tokens["access_token"],
        options=options,
    )
    return claims


async def test_the_id_token_verifies_with_the_published_keys() -> None:
    """Signature, issuer, audience and at_hash hold; every promised claim is there."""
    async with provider_case() as case:
        tokens = await case.flow.tokens("ada")
        claims = await id_claims(case, tokens)
        now = int(case.clock.now)
        assert claims["sub"] == "ada"
        assert claims["nonce"] == "nonce-1"
        assert (claims["iat"], claims["auth_time"], claims["exp"]) == (now, now, now + 600)
        assert claims["groups"] == ["hub-operators"]
        assert (claims["name"], claims["email"]) == ("Ada Lovelace", "ada@analytical.example")
        assert len(str(claims["sid"])) >= 16
        digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        assert claims["at_hash"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def test_claims_follow_the_scope() -> None:
    """A client that asked only for openid learns only the subject."""
    async with provider_case() as case:
        claims = await id_claims(case, await case.flow.tokens("grace", scope="openid"))
        assert claims["sub"] == "grace"
        assert not {"name", "email", "groups"} & claims.keys()


async def test_every_token_is_fresh_and_one_session_keeps_its_sid() -> None:
    """`jti` never repeats; `sid` and `auth_time` name the session, not the request."""
    async with provider_case() as case:
        first = await id_claims(case, await case.flow.tokens("ada"))
        case.clock.now += 30
        second = await id_claims(case, await case.flow.tokens("ada"))
        again = await id_claims(case, await case.flow.tokens("ada", prompt="login"))
        other = await id_claims(case, await case.flow.tokens("grace", prompt="login"))
        assert first["jti"] != second["jti"]
        assert first["sid"] == second["sid"] == again["sid"] != other["sid"]
        assert first["auth_time"] == second["auth_time"] != again["auth_time"]


async def test_a_code_works_once_and_its_reuse_takes_the_access_token_back() -> None:
    """RFC 6749 §4.1.2: whoever presents a spent code may have stolen it."""
    async with provider_case() as case:
        code = await case.flow.code()
        bearer = {"Authorization": "Bearer " + (await case.flow.redeem(code)).json()["access_token"]}
        assert (await case.http.get("/userinfo", headers=bearer)).json()["sub"] == "ada"
        again = await case.flow.redeem(code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        refused = await case.http.get("/userinfo", headers=bearer)
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        assert "invalid_token" in refused.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": REDIRECT_URI + "/"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": "invented"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "invalid_request"),
    ],
)
async def test_a_wrong_redemption_gets_no_token(changes: dict[str, str], error: str) -> None:
    """Verifier, redirect URI and code must all be those of the authorization request."""
    async with provider_case() as case:
        answer = await case.flow.redeem(await case.flow.code(), **changes)
        assert (answer.status_code, answer.json()["error"]) == (400, error)
        assert answer.headers["cache-control"] == "no-store"
        assert "id_token" not in answer.json()


async def test_a_failed_verifier_burns_the_code() -> None:
    """A code is one guess, not many."""
    async with provider_case() as case:
        code = await case.flow.code()
        assert (await case.flow.redeem(code, code_verifier="w" * 43)).status_code == httpx.codes.BAD_REQUEST
        assert (await case.flow.redeem(code)).json()["error"] == "invalid_grant"


async def test_a_code_lives_sixty_seconds() -> None:
    """A minute is enough for a redirect."""
    async with provider_case() as case:
        early, late = await case.flow.code(), await case.flow.code()
        case.clock.now += 59
        assert (await case.flow.redeem(early)).status_code == httpx.codes.OK
        case.clock.now += 2
        assert (await case.flow.redeem(late)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(("client_id", "secret"), [("hub", "wrong"), ("hub", ""), ("other", "s3cret"), ("hüb", "ß")])
async def test_a_bad_client_secret_gets_401_and_leaves_the_code_alone(client_id: str, secret: str) -> None:
    """Somebody who is not the client can neither use a code nor burn it."""
    async with provider_case() as case:
        code = await case.flow.code()
        stranger = Flow(case.http, client_id=client_id, secret=secret, verifier=case.flow.verifier)
        refused = await stranger.redeem(code)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert (await case.flow.redeem(code)).status_code == httpx.codes.OK


async def test_the_secret_may_come_in_the_form_but_not_twice() -> None:
    """`client_secret_post` works; two ways at once are refused (RFC 6749 §2.3)."""
    async with provider_case() as case:
        form = {
            "grant_type": "authorization_code",
            "code": await case.flow.code(),
            "redirect_uri": REDIRECT_URI,
            "code_verifier": case.flow.verifier,
            "client_id": "hub",
            "client_secret": "s3cret",
        }
        both = await case.http.post("/token", data=form, auth=("hub", "s3cret"))
        assert both.status_code == httpx.codes.UNAUTHORIZED
        assert (await case.http.post("/token", data=form)).status_code == httpx.codes.OK


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 20_000),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % n for n in range(100))),
        ("application/x-www-form-urlencoded", b"code=a&code=b"),
        ("", b""),
    ],
)
async def test_a_malformed_body_is_an_invalid_request(content_type: str, body: bytes) -> None:
    """Whatever comes, the answer is an OAuth error and never a failure of the provider."""
    async with provider_case() as case:
        answer = await case.http.post("/token", content=body, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic /w==", "Bearer x", "Basic aHVi"])
async def test_a_malformed_authorization_is_an_invalid_client(value: str) -> None:
    async with provider_case() as case:
        form = {"grant_type": "authorization_code"}
        answer = await case.http.post("/token", data=form, headers={"Authorization": value})
        assert answer.json()["error"] == "invalid_client"


async def test_discovery_names_what_there_is() -> None:
    """Every endpoint in the metadata exists, and what is required is advertised."""
    async with provider_case() as case:
        metadata = (await case.http.get("/.well-known/openid-configuration")).json()
        assert metadata["issuer"] == ISSUER
        assert metadata["code_challenge_methods_supported"] == ["S256"]
        assert metadata["authorization_response_iss_parameter_supported"] is True
        for name in ("authorization", "token", "userinfo", "end_session"):
            answer = await case.http.get(metadata[f"{name}_endpoint"])
            assert answer.status_code != httpx.codes.NOT_FOUND, name
        assert query_of((await case.flow.authorize(prompt="none")).headers["location"])["iss"] == ISSUER
