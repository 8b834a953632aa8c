"""What a provider says of itself, over real HTTP: believed only where it can be meant."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from hub.errors import ProviderUnavailable
from hub.identity.jwks import ProviderDirectory
from hub.identity.providers import Provider
from tests.identity.minting import ec_key
from tests.identity.servers import Server, publish
from tests.identity.worlds import Clock


def directory(server: Server, client: httpx.AsyncClient) -> ProviderDirectory:
    return ProviderDirectory(Provider("main", server.url, "hub"), client, Clock())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": "http://keys.example/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"token_endpoint": "http://token.example/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ["https://x.example"]},
    ],
    ids=repr,
)
async def test_odd_metadata_is_not_believed(
    metadata: dict[str, Any], server: Server, client: httpx.AsyncClient
) -> None:
    """Threat 58: the issuer is the configured one, and every address is https or on this machine."""
    publish(server, ec_key().jwk, **metadata)
    with pytest.raises(ProviderUnavailable):
        await directory(server, client).metadata()


async def test_a_provider_of_tokens_only_is_enough_for_bearer_log_ins(
    server: Server, client: httpx.AsyncClient
) -> None:
    """It names its keys; it has nowhere to send a browser to."""
    key = ec_key("e1")
    publish(server, key.jwk, authorization_endpoint=None, token_endpoint=None)
    metadata = await directory(server, client).metadata()
    assert (metadata.authorization_endpoint, metadata.token_endpoint) == (None, None)


async def test_an_issuer_is_equal_to_the_letter(server: Server, client: httpx.AsyncClient) -> None:
    provider = Provider("main", f"{server.url}/", "hub")
    with pytest.raises(ProviderUnavailable):
        await ProviderDirectory(provider, client, Clock()).metadata()
