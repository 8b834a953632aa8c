"""What ``hub doctor`` asks over the network beside the store: identity providers, apps, the public URL."""

import asyncio
import os
import ssl
from urllib.parse import urlsplit

import httpx

from hub.core.finding import Finding
from hub.errors import ConfigurationError
from hub.identity.fetching import FetchFailed, fetch_json, new_client
from hub.identity.jwk import is_ambiguous, usable_keys
from hub.identity.providers import Metadata, Provider
from hub.settings import AppSettings, ProviderSettings, Settings

PATIENCE_SECONDS = 3.0


async def look_around(settings: Settings) -> list[Finding]:
    """All at once; in the order of the configuration."""
    apps = [upstream(name, app) for name, app in settings.apps.items()]
    try:
        client = new_client()
    except ConfigurationError as error:
        spoilt = Finding("SSL_CERT_FILE", "failed", str(error), "let it name a PEM file, or unset it")
        return [spoilt, *await asyncio.gather(*apps)]
    async with client as http:
        return list(
            await asyncio.gather(
                *(provider(name, one, http) for name, one in settings.identity_providers.items()),
                *apps,
                public_url(settings.public_url, http),
            )
        )


async def provider(name: str, configured: ProviderSettings, http: httpx.AsyncClient) -> Finding:
    """Its metadata and keys, fetched and judged exactly as a node does it."""
    title, asked = f"provider {name}", Provider(name, configured.issuer, configured.client_id)
    try:
        metadata = Metadata.read(await fetch_json(http, asked.discovery_url), asked.issuer)
    except FetchFailed as failure:
        said = f"{asked.discovery_url}: {_why(failure)}"
        return Finding(title, "failed", said, "issuer has to be spelled as the provider spells it, and be reachable")
    try:
        keys = usable_keys(await fetch_json(http, metadata.jwks_uri))
    except FetchFailed as failure:
        return Finding(title, "failed", f"{metadata.jwks_uri}: {_why(failure)}", "let this machine reach it")
    if not keys:
        return Finding(title, "failed", f"{metadata.jwks_uri}: no usable key in it", "RS256… or ES256… is needed")
    if is_ambiguous(keys):
        return Finding(
            title, "failed", f"{metadata.jwks_uri}: two keys of one kid in it", "the provider has to mend it"
        )
    said = f"{asked.issuer}, {len(keys)} usable key{'' if len(keys) == 1 else 's'}"
    if metadata.authorization_endpoint is None:
        return Finding(title, "warn", f"{said}; no log-in in a browser", "fine where programs alone log in")
    return Finding(title, "ok", said)


async def upstream(name: str, app: AppSettings) -> Finding:
    """Whether the app's server takes a connection (and shows a certificate that counts)."""
    title, url = f"app {name}", urlsplit(app.upstream)
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            context = ssl.create_default_context() if secure else None
            _, writer = await asyncio.open_connection(url.hostname, port, ssl=context)
            writer.close()
    except (OSError, TimeoutError) as error:
        said = f"{app.upstream} takes no connection ({_why(error)}): 502 for this app, the others go on"
        return Finding(title, "failed", said, "start it, or mend its upstream")
    return Finding(title, "ok", f"{app.upstream} takes connections")


async def public_url(url: str, http: httpx.AsyncClient) -> Finding:
    """Whether a hub answers where browsers will look for it; from here that may not be possible, nor needed yet."""
    title = "public_url"
    try:
        answer = await http.get(f"{url}/healthz", timeout=PATIENCE_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(title, "warn", f"{url}: {_why(error)}", "fine before the hub runs; else see DNS, proxy and TLS")
    if answer.status_code == httpx.codes.OK and answer.headers.get("x-hub-response") == "1":
        return Finding(title, "ok", f"{url}: a hub answers")
    said = f"{url}/healthz: {answer.status_code}, and not from a hub"
    return Finding(title, "warn", said, "what is in front has to pass /healthz on with its Host")


def _why(error: BaseException) -> str:
    """What the system said, found under whatever was made of it; else the name of what was made of it."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return f"certificate not accepted: {cause.verify_message}"
            case ssl.SSLError():
                return "no TLS connection"
            case TimeoutError() | httpx.TimeoutException():
                return "no answer in time"
            case OSError(errno=int(number)) if number > 0:
                return os.strerror(number).lower()
            case OSError(errno=int(number)):  # of getaddrinfo
                return (cause.strerror or "no such host").lower()
        cause = cause.__cause__ or cause.__context__
    return str(error) if isinstance(error, FetchFailed) else type(error).__name__
