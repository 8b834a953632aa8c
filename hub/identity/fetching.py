"""Asking a provider for JSON: bounded in time and size, never following a redirect, https only.

Addresses come from the configuration and from the provider's own metadata, never from a token or a request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from hub.core.json import Json
from hub.errors import ConfigurationError

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024


_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,16384}")  # RFC 6750 §2.1


class FetchFailed(Exception):
    """No usable answer; the text says why, for the log. ``status`` is the HTTP status if there was one.

    ``is_down``: nobody answered, or a server that says it cannot (5xx).
    """

    def __init__(self, why: str, status: int | None = None, *, is_silence: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.is_down = is_silence or (status or 0) >= httpx.codes.INTERNAL_SERVER_ERROR


def new_client() -> httpx.AsyncClient:
    """The HTTP client for providers: no redirects, no proxies from the environment, no cookies kept.

    The usual authorities vouch for providers, or those in the file that ``SSL_CERT_FILE`` names. Raises
    ``ConfigurationError`` if that is none.
    """
    try:
        trusted = httpx.create_ssl_context()
    except OSError:  # ssl.SSLError is one
        raise ConfigurationError("SSL_CERT_FILE: no usable certificates in what it names") from None
    return httpx.AsyncClient(
        verify=trusted,
        follow_redirects=False,
        trust_env=False,
        timeout=TIMEOUT_SECONDS,
        headers={"Accept-Encoding": "identity"},
    )


def is_safe_url(url: object) -> bool:
    """Whether this is an absolute https URL, or http to this very machine."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or port == 0 or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch_json(
    client: httpx.AsyncClient,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    bearer: str | None = None,
) -> Json:
    """GET ``url``, or POST ``form`` to it, and read the JSON of a 200. Raises ``FetchFailed``."""
    if not is_safe_url(url):
        raise FetchFailed("the address is not https")
    basic = httpx.BasicAuth(*auth) if auth else None
    method = "GET" if form is None else "POST"
    headers = {"Accept": "application/json"}
    if bearer is not None:
        if not _TOKEN.fullmatch(bearer):
            raise FetchFailed("the access token is not one for a header")
        headers["Authorization"] = f"Bearer {bearer}"
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            client.stream(method, url, data=form, auth=basic or httpx.USE_CLIENT_DEFAULT, headers=headers) as answer,
        ):
            body = await _body(answer)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, TimeoutError) as error:
        raise FetchFailed(f"{type(error).__name__}", is_silence=True) from error
    if answer.status_code != httpx.codes.OK:
        raise FetchFailed(f"status {answer.status_code}", answer.status_code)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise FetchFailed("not JSON") from None


async def _body(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("compressed though not asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchFailed("larger than 1 MiB")
    return bytes(body)
