"""Every way we know for a token to be bad, as a table of names and tokens: each one change away from a good token.

Most are properly signed with the provider's real key, so that the change alone is what has to be noticed.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.identity.minting import Key, base64url, compact, ec_key, integer, mint, mint_hs256, rsa_key
from tests.support.adversary import EC_KID, RSA_KID, TYPES, Adversary, Claims

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P = 0xFCD44C21723FEF3BBE219AE9CD0ADE42C953EB67A34F2D8B78030B631F3F8511
_Q = 0xF35987981E8FBE4AE3A0694E4E829F8FCF288FECD59BF77951BD3A967FBC63D5
SMALL_RSA = {"kty": "RSA", "kid": "small", "use": "sig", "alg": "RS256", "n": integer(_P * _Q), "e": "AQAB"}
"""512 bits: too small for any library to make today."""

ODD_VALUES = (
    "null", "[]", "{}", "true", "false", '""', '"123"', "-1", "0.5", "1e999", "NaN", "Infinity", "-Infinity",
    "9" * 400, "99999999999999", '"\\ud800"', '["hub"]', '{"a":' * 40 + "1" + "}" * 40,
)  # fmt: skip


def twin(token: str) -> str:
    """The same ES256 token with the other signature that is as valid: (r, n - s)."""
    head, _, signature = token.rpartition(".")
    plain = base64.urlsafe_b64decode(signature + "==")
    s = ORDER - int.from_bytes(plain[32:], "big")
    return f"{head}.{base64url(plain[:32] + s.to_bytes(32, 'big'))}"


def stray_bits(token: str, segment: int) -> str:
    """The same token with a last character that decodes to the same bytes, or one character more that says nothing."""
    parts = token.split(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    part = parts[segment]
    if len(part) % 4 in (2, 3):
        parts[segment] = part[:-1] + letters[letters.index(part[-1]) ^ 1]
    else:
        parts[segment] = part + "A"
    return ".".join(parts)


class Forge:
    """Makes bad tokens of one ``kind``; ``changes`` are what this road needs in a good one."""

    def __init__(self, provider: Adversary, kind: str, **changes: Any) -> None:
        self._provider, self._kind, self._changes = provider, kind, changes

    def good(self, **changes: Any) -> Claims:
        """Claims of a fresh good token."""
        return self._provider.claims(self._kind, **(self._changes | changes))

    def token(self, claims: Any = None, key: Key | None = None, **header: Any) -> str:
        """Signed with the real key; ``claims`` may be bytes."""
        said = self.good() if claims is None else claims
        return mint(said, key or self._provider.key, **({"typ": TYPES[self._kind]} | header))

    def families(self) -> Mapping[str, Callable[[], Iterator[tuple[str, str]]]]:
        """All of them, name and token, in groups."""
        return {
            "algorithms": self.algorithms,
            "keys": self.keys,
            "headers": self.headers,
            "spellings": self.spellings,
            "bombs": self.bombs,
            "odd": self.odd,
            "claims": self.claims,
        }

    def names(self, family: str) -> list[str]:
        """The names of a group, in their order."""
        return [name for name, _ in self.families()[family]()]

    def at(self, family: str, number: int) -> str:
        """One token of a group."""
        return next(itertools.islice(self.families()[family](), number, None))[1]

    def algorithms(self) -> Iterator[tuple[str, str]]:
        """Another algorithm than the key's: none, a public key as a secret, and confusion between kinds."""
        key, rsa, typ = self._provider.key, self._provider.rsa, TYPES[self._kind]
        for name in ("none", "None", "nOnE", "NONE", "", "es256", "ES256 ", "PS256", "EdDSA", "ES256K", "HS256", "dir"):
            yield f"alg {name!r}, signed", self.token(alg=name)
        for name in ("none", "nOnE"):
            unsigned = compact({"alg": name, "typ": typ, "kid": EC_KID}, self.good(), b"")
            yield f"alg {name!r}, no signature", unsigned
            yield f"alg {name!r}, some signature", unsigned + "AA"
        for name, odd in {"null": None, "list": ["ES256"], "number": 256, "object": {"ES256": 1}}.items():
            yield f"alg {name}", self._with_header({"alg": odd, "kid": EC_KID, "typ": typ})
        yield "alg missing", self.token(alg=None)
        for owner, of in ((EC_KID, key), (RSA_KID, rsa)):
            for form, secret in {
                "PEM": of.pem(),
                "PEM without its end": of.pem().rstrip(b"\n"),
                "DER": of.pem(Encoding.DER),
                "JWK": json.dumps(of.jwk).encode(),
                "nothing": b"",
            }.items():
                yield f"HS256 with {form} of {owner}", mint_hs256(self.good(), secret, kid=owner, typ=typ)
        called = self.token(alg="HS256").split(".")
        confused = f"{base64url(json.dumps({'alg': 'ES256', 'kid': EC_KID, 'typ': typ}).encode())}.{called[1]}"
        yield "HS256 called ES256", f"{confused}.{base64url(hashlib.sha256(confused.encode()).digest())}"
        yield "ES256 with the kid of RSA", self.token(kid=RSA_KID)
        yield "RS256 with the kid of EC", self.token(key=rsa, kid=EC_KID)
        yield "ES256 called RS256", self.token(alg="RS256")
        yield "ES256 called ES384", self.token(alg="ES384")

    def _with_header(self, header: Any) -> str:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        unsigned = f"{base64url(raw)}.{base64url(json.dumps(self.good()).encode())}"
        return f"{unsigned}.{base64url(self._provider.key.sign(unsigned.encode()))}"

    def keys(self) -> Iterator[tuple[str, str]]:
        """Signed by somebody else, or by nobody."""
        evil, good = ec_key("somebody else's"), self.token()
        head = good.rpartition(".")[0]
        yield "somebody else's key", self.token(key=evil, kid=EC_KID)
        yield "somebody else's key, inside", self.token(key=evil, kid=EC_KID, jwk=evil.jwk)
        yield "somebody else's RSA key", self.token(key=rsa_key("somebody else's"), kid=RSA_KID)
        yield "RSA of 512 bits", self._by_small_rsa()
        for name, pair in {"zeros": (0, 0), "n": (ORDER, ORDER), "ones": (1, 1)}.items():
            yield f"signature of {name}", f"{head}.{base64url(b''.join(n.to_bytes(32, 'big') for n in pair))}"
        plain = base64.urlsafe_b64decode(good.rpartition(".")[2] + "==")
        r, s = int.from_bytes(plain[:32], "big"), int.from_bytes(plain[32:], "big")
        yield "signature in DER", f"{head}.{base64url(encode_dss_signature(r, s))}"
        yield "signature cut short", f"{head}.{base64url(plain[:63])}"
        yield "signature with more behind", f"{head}.{base64url(plain + b'x')}"
        yield "another token's signature", f"{head}.{self.token(self.good(sub='eve')).rpartition('.')[2]}"
        payload = base64url(json.dumps(self.good(sub="root")).encode())
        yield "another payload", f"{good.split('.')[0]}.{payload}.{good.split('.')[2]}"
        curve = ec.generate_private_key(ec.SECP384R1())
        wide = decode_dss_signature(curve.sign(head.encode(), ec.ECDSA(SHA256())))
        yield "signature of P-384", f"{head}.{base64url(b''.join(n.to_bytes(48, 'big') for n in wide))}"

    def _by_small_rsa(self) -> str:
        unsigned = self.token(kid="small", alg="RS256").rpartition(".")[0]
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(unsigned.encode()).digest()
        padded = b"\x00\x01" + b"\xff" * (64 - 3 - len(info)) + b"\x00" + info
        signed = pow(int.from_bytes(padded, "big"), pow(65537, -1, (_P - 1) * (_Q - 1)), _P * _Q)
        return f"{unsigned}.{base64url(signed.to_bytes(64, 'big'))}"

    def headers(self) -> Iterator[tuple[str, str]]:
        """Extensions, places to get keys from, kids that want to be paths or queries, types."""
        evil, typ = ec_key("somebody else's"), TYPES[self._kind]
        crits: tuple[Any, ...] = (["exp"], ["b64"], [], "exp", None, {})
        for crit in crits:
            extended = {"alg": "ES256", "kid": EC_KID, "typ": typ, "crit": crit, "b64": True}
            yield f"crit {crit!r}", self._with_header(extended)
        plain = json.dumps(self.good()).replace(" ", "")
        head = base64url(json.dumps({"alg": "ES256", "kid": EC_KID, "b64": False, "crit": ["b64"]}).encode())
        yield "b64 false", f"{head}.{plain}.{base64url(self._provider.key.sign(f'{head}.{plain}'.encode()))}"
        for place in ("jku", "x5u"):
            lure = {place: f"{self._provider.url}/lure", "kid": "lure"}
            yield f"{place} and its key", self.token(key=evil, **lure)
        yield (
            "x5c and its key",
            self.token(key=evil, kid="lure", x5c=[base64.b64encode(evil.pem(Encoding.DER)).decode()]),
        )
        yield "jwk without a kid", self.token(key=evil, kid=None, jwk=evil.jwk)
        for name, kid in {
            "path": "../../../../dev/null", "query": "' OR 1=1; DROP TABLE keys; --", "10 KB": "k" * 10_240,
            "URL": f"{self._provider.url}/lure", "empty": "", "NUL": "e1\x00", "words": "e1 ", "case": EC_KID.upper(),
            "list": [EC_KID], "number": 1, "object": {}, "true": True, "unicode": "é1", "surrogate": "\ud800",
        }.items():  # fmt: skip
            yield f"kid {name}", self.token(kid=kid)
        others = {*TYPES.values(), "hub-session+jwt", "JOSE", "dpop+jwt", "at+jwt\x00"} - {typ}
        others -= {"JWT"} if self._kind == "access" else set()  # an access token need not say what it is
        for other in sorted(others):
            yield f"typ {other!r}", self.token(typ=other)
        for name, odd in {"list": [typ], "null": None, "number": 1}.items():
            yield f"typ {name}", self._with_header({"alg": "ES256", "kid": EC_KID, "typ": odd})

    def spellings(self) -> Iterator[tuple[str, str]]:
        """Not the one spelling of a compact JWS of plain JSON objects."""
        good, typ = self.token(), TYPES[self._kind]
        header, payload, signature = good.split(".")
        for name, text in {
            "nothing": "", "a dot": ".", "dots": "..", "no header": f".{payload}.{signature}", "five dots": "." * 5,
            "no payload": f"{header}..{signature}", "no signature": f"{header}.{payload}.",
            "two parts": f"{header}.{payload}",
            "four parts": f"{good}.{signature}", "JWE": f"{header}.{payload}.{signature}.{payload}.{signature}",
            "padding": f"{good}=", "padding inside": f"{header}=.{payload}.{signature}", "bang": f"{good}!",
            "newline": f"{header}.{payload}.\n{signature}", "newline at the end": f"{good}\n", "tab": f"\t{good}",
            "space inside": f"{header}. {payload}.{signature}", "NUL": f"{good}\x00", "plus": f"{good}+",
            "slash": f"{good}/",
            "unicode": f"{good}é", "wide dots": good.replace(".", "\uff0e"), "lone surrogate": f"{good}\udcff",
            "quotes": f'"{good}"', "twice": f"{good}, {good}", "scheme twice": f"Bearer {good}",
            "percent": f"{good}%00",
            "JSON serialization": json.dumps({"protected": header, "payload": payload, "signature": signature}),
        }.items():  # fmt: skip
            yield name, text
        for number, part in enumerate(("header", "payload", "signature")):
            yield f"stray bits in the {part}", stray_bits(good, number)
        encrypted = base64url(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RSA_KID}).encode())
        yield "a real JWE's form", ".".join([encrypted, *[base64url(b"x" * 16)] * 4])
        text = json.dumps(self.good())
        for name, raw in {
            "UTF-16": text.encode("utf-16"), "byte order mark": b"\xef\xbb\xbf" + text.encode(),
            "not UTF-8": b'{"\xff":1}',
            "array": b"[1]", "string": b'"x"', "null": b"null", "empty": b"{}", "cut": text.encode()[:-1],
            "more behind": text.encode() + b"{}", "comment": text.encode() + b"//", "single quotes": text.replace('"',
            "'").encode(),
            "another JWT": good.encode(), "NUL byte": b"\x00" + text.encode(),
        }.items():  # fmt: skip
            yield f"payload: {name}", self.token(raw)
        head = json.dumps({"alg": "ES256", "kid": EC_KID, "typ": typ}).encode()
        for name, raw in {
            "array": b"[1]", "null": b"null", "alg twice": head[:-1] + b',"alg":"none"}',
            "kid twice": head[:-1] + b',"kid":"e1"}', "a deep name twice": head[:-1] + b',"x":{"a":1,"a":1}}',
            "not UTF-8": head[:-1] + b',"x":"\xff"}', "not a number": head[:-1] + b',"x":NaN}',
        }.items():  # fmt: skip
            yield f"header: {name}", self._with_header(raw)

    def bombs(self) -> Iterator[tuple[str, str]]:
        """Small for the sender, large for a careless reader."""
        for levels in (900, 5000):
            yield f"header nested {levels} deep", self._with_header(b'{"alg":"ES256","x":' + b"[" * levels)
        yield "payload nested 5,000 deep", self.token(b'{"a":' * 2000)
        yield "payload nested and closed", self.token(b'{"exp":' + b"[" * 3000 + b"]" * 3000 + b"}")
        yield "17 KB, signed", self.token(self.good(filler="x" * 17_000))
        yield "1 MB of letters", "A" * 1_000_000
        yield "1 MB of dots", "." * 1_000_000
        yield "1 MB payload", f"e30.{'A' * 1_000_000}.AA"
        yield "many members", self.token(json.dumps({f"m{n}": n for n in range(1000)}).encode())
        yield "a long number", self.token(self._spelt("exp", "1" * 9000))
        yield "a long exponent", self.token(self._spelt("exp", "1e" + "9" * 5000))

    def _spelt(self, name: str, text: str) -> bytes:
        """Claims with one value written out as ``text``."""
        return json.dumps(self.good(**{name: "@"})).replace('"@"', text).encode()

    def odd(self) -> Iterator[tuple[str, str]]:
        """Claims of types nobody expects, in the spellings of the wire (threat 18)."""
        for name in ("exp", "iat", "nbf", "auth_time", "iss", "sub", "aud", "sid"):
            for text in ODD_VALUES:
                if (name, text) not in {("aud", '["hub"]'), ("sid", '"123"'), ("sub", '"123"')}:  # those are fine
                    yield f"{name} {text[:24]}", self.token(self._spelt(name, text))

    def claims(self) -> Iterator[tuple[str, str]]:
        """Missing, repeated, for somebody else, from another time."""
        now = int(time.time())
        for name in ("exp", "iat", "iss", "aud", *(["jti", "events"] if self._kind == "logout" else ["sub"])):
            yield f"without {name}", self.token(self.good(**{name: None}))
            twice = json.dumps(self.good()).encode()[:-1] + f', "{name}": 1}}'.encode()
            yield f"{name} twice", self.token(twice)
        issuer = self._provider.issuer
        wrong: dict[str, Claims] = {
            "iss with a slash": {"iss": f"{issuer}/"}, "iss in capitals": {"iss": issuer.upper()},
            "iss with a space": {"iss": f"{issuer} "}, "iss of another": {"iss": "https://id.example.com"},
            "iss look-alike": {"iss": issuer.replace("127", "１27")}, "aud of another": {"aud": "other"},
            "aud look-alike": {"aud": "hub "}, "aud object": {"aud": {"hub": 1}}, "aud with a number": {"aud": ["hub",
            1]},
            "two aud, no azp": {"aud": ["hub", "other"]}, "two aud, azp of another": {"aud": ["hub", "other"],
            "azp": "other"},
            "two aud, azp list": {"aud": ["hub", "other"], "azp": ["hub"]}, "expired": {"exp": now - 61},
            "nbf in the future": {"nbf": now + 300}, "iat in the future": {"iat": now + 300},
            "auth_time in the future": {"auth_time": now + 300}, "exp after the year 9999": {"exp": 10**12},
            "sub of 256": {"sub": "x" * 256}, "jti of 256": {"jti": "x" * 256}, "sid of 10,000": {"sid": "x" * 10_000},
        }  # fmt: skip
        if self._kind == "id":
            wrong |= {"azp of another": {"azp": "other"}, "no nonce": {"nonce": None},
                      "nonce of another": {"nonce": "n"},
                      "nonce list": {"nonce": [self._changes["nonce"]]}}  # fmt: skip
        else:
            wrong |= {"a nonce": {"nonce": "n"}, "an empty nonce": {"nonce": ""}, "iat long ago": {"iat": now - 301}}
        if self._kind == "logout":
            wrong |= {"nobody": {"sub": None}, "event of another kind": {"events": {"http://x/": {}}},
                      "event list": {"events": []}, "event text": {"events": {"": ""}}}  # fmt: skip
        else:
            wrong |= {"events": {"events": {}}}
        for name, changes in wrong.items():
            yield name, self.token(self.good(**changes))
