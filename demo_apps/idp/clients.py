"""The one registered client, and how it proves itself (RFC 6749 §2.3.1)."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus, urlsplit


class InvalidClient(Exception):
    """The caller of the token endpoint is not the registered client; the text says why."""


@dataclass(frozen=True, slots=True)
class Client:
    """What was registered. URIs are compared as whole strings, never by prefix."""

    client_id: str
    secret: str
    redirect_uris: tuple[str, ...]
    post_logout_uris: tuple[str, ...] = ()
    backchannel_uri: str | None = None

    def origins(self) -> list[str]:
        """Origins the provider's pages may lead on to."""
        parts = [urlsplit(uri) for uri in (*self.redirect_uris, *self.post_logout_uris)]
        return sorted({f"{part.scheme}://{part.netloc}" for part in parts})

    def authenticate(self, authorization: str | None, form: Mapping[str, str]) -> None:
        """Accept ``client_secret_basic`` or ``client_secret_post``, one of them. Raises `InvalidClient`."""
        if authorization is None:
            claimed, secret = form.get("client_id", ""), form.get("client_secret", "")
        elif "client_secret" in form:
            raise InvalidClient("Use one way of client authentication, not two.")
        else:
            claimed, secret = _basic(authorization)
            if form.get("client_id", claimed) != claimed:
                raise InvalidClient("The client_id differs from the authenticated client.")
        known = hmac.compare_digest(claimed.encode(), self.client_id.encode())
        right = hmac.compare_digest(secret.encode(), self.secret.encode())
        if not (known and right):
            raise InvalidClient("Unknown client, or a wrong secret.")


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("The Authorization scheme must be Basic.")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidClient("The Authorization header cannot be decoded.") from error
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
