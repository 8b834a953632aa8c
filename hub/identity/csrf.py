"""Cross-site request forgery: what an unsafe request with a cookie must show beside the cookie.

Pure functions over header values. A cookie proves whose browser this is; the rest proves that a page of ours asked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from hub.core.looking import LookAgain, nowhere
from hub.errors import CsrfRefused
from hub.identity.origins import SAME_ORIGIN, Origins

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADER_VALUE = "1"
_JSON = re.compile(r"application/(json|[a-z0-9.!#$&^_-]+\+json)")


def check_origin(origins: Origins, *, origin: str | None, sec_fetch_site: str | None) -> None:
    """Refuse what another site's page asked for; raises ``CsrfRefused``."""
    if origin is None:
        if sec_fetch_site != SAME_ORIGIN:
            raise CsrfRefused("Neither Origin nor Sec-Fetch-Site says that a page of this hub asked")
    elif origin in origins.own:
        if sec_fetch_site not in (None, SAME_ORIGIN):
            raise CsrfRefused("Origin and Sec-Fetch-Site contradict each other")
    elif origin not in origins.listed:
        raise CsrfRefused("This Origin may not act for the user")


def check_header(value: str | None) -> None:
    """``X-Hub-CSRF: 1``, which a form or an image cannot send; raises ``CsrfRefused``."""
    if value != HEADER_VALUE:
        raise CsrfRefused("X-Hub-CSRF: 1 is required with a cookie")


def check_media_type(content_type: str | None) -> None:
    """A body must be JSON of some kind, which a form cannot send; raises ``CsrfRefused``."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(kind):
        raise CsrfRefused("With a cookie, a body has to be of a JSON media type")


class FormProofs:
    """The hidden field of a hub page's form, in place of the header: an HMAC over the session token it acts for."""

    FIELD = "csrf"

    def __init__(self, key: bytes, others: Iterable[bytes] = (), look_again: LookAgain = nowhere) -> None:
        self._look_again = look_again
        self.replace_keys(key, others)

    def replace_keys(self, key: bytes, others: Iterable[bytes] = ()) -> None:
        """Go on with other keys: ``key`` makes proofs, and those of the ``others`` are as good."""
        self._keys = [key, *others]

    def proof(self, token: str) -> str:
        """The field's value for the browser that holds ``token``."""
        return _proof(self._keys[0], token)

    def check(self, value: str, token: str) -> None:
        """Raises ``CsrfRefused`` unless ``value`` was made for ``token``."""
        if not (self._fits(value, token) or (self._look_again() and self._fits(value, token))):
            raise CsrfRefused("The form is not one this hub made for this session")

    def _fits(self, value: str, token: str) -> bool:
        given, fits = value.encode("utf-8", "replace"), False
        for key in self._keys:
            fits |= hmac.compare_digest(given, _proof(key, token).encode())
        return fits


def _proof(key: bytes, token: str) -> str:
    return hmac.new(key, b"form\0" + token.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
