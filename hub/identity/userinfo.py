"""Claims that a provider keeps out of its ID tokens and tells at its userinfo endpoint (OIDC Core §5.3, §5.4).

Asked only for what the configuration wants and the ID token does not say. An answer about another user counts for
nothing (§5.3.2), and a log-in never fails for want of one: who somebody is stands in the ID token.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import httpx

from hub.core.json import Object
from hub.identity.fetching import FetchFailed, fetch_json

log = logging.getLogger("hub.identity")


async def completed(
    http: httpx.AsyncClient, endpoint: str | None, access_token: str | None, claims: Object, wanted: Collection[str]
) -> Object:
    """``claims``, and of those ``wanted`` that are not among them what the endpoint says."""
    missing = set(wanted) - claims.keys()
    if not missing or endpoint is None or access_token is None:
        return claims
    try:
        said = await fetch_json(http, endpoint, bearer=access_token)
    except FetchFailed as failure:
        log.warning("userinfo_not_read", extra={"why": str(failure)})
        return claims
    if not isinstance(said, dict) or said.get("sub") != claims["sub"]:
        log.warning("userinfo_not_read", extra={"why": "it is about somebody else"})
        return claims
    return claims | {name: value for name, value in said.items() if name in missing}
