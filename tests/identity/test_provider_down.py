"""Who may be sent to a provider: nobody, while it does not answer; what is known of it serves on (threat 51)."""

from __future__ import annotations

import httpx
import pytest

from hub.errors import ProviderUnavailable
from hub.identity import jwks
from hub.identity.compact import parse
from hub.identity.jwks import ProviderDirectory
from hub.identity.providers import Provider
from hub.identity.refreshed import RETRY_SECONDS
from tests.identity.minting import claims, ec_key, mint
from tests.identity.servers import Answer, Server, publish
from tests.identity.worlds import Clock

DISCOVERY = "/.well-known/openid-configuration"


async def test_nobody_is_sent_to_a_provider_that_does_not_answer(server: Server, client: httpx.AsyncClient) -> None:
    """It is asked again after two seconds; what is known of it serves everybody else for a day."""
    clock = Clock()
    provider = ProviderDirectory(Provider("main", server.url, "hub"), client, clock)
    known = await provider.metadata_to_go_to()
    server.answers[DISCOVERY] = Answer({}, 503)
    assert await provider.metadata_to_go_to() == known
    clock.seconds += jwks.ANSWERED_SECONDS
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await provider.metadata_to_go_to()
    assert server.requests[DISCOVERY] == 2
    assert await provider.metadata() == known
    assert (await provider.key_for(parse(mint(claims(), kid="e1")))).kid == "e1"
    publish(server, ec_key().jwk)
    clock.seconds += RETRY_SECONDS
    assert await provider.metadata_to_go_to() == known


@pytest.mark.parametrize("useless", [Answer(b"<html>"), Answer({}, 404), Answer({"issuer": "https://evil.example"})])
async def test_a_provider_that_answers_nonsense_is_still_there(
    useless: Answer, server: Server, client: httpx.AsyncClient
) -> None:
    """Its last good metadata leads there."""
    clock = Clock()
    provider = ProviderDirectory(Provider("main", server.url, "hub"), client, clock)
    known = await provider.metadata_to_go_to()
    server.answers[DISCOVERY] = useless
    clock.seconds += jwks.ANSWERED_SECONDS
    assert await provider.metadata_to_go_to() == known
    assert server.requests[DISCOVERY] == 2
