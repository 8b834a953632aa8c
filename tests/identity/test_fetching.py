"""Which addresses are asked at all."""

from __future__ import annotations

import pytest

from hub.identity.fetching import FetchFailed, fetch_json, is_safe_url, new_client


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.com/keys",
        "http://127.0.0.1:9000/",
        "http://[::1]/x",
        "http://localhost:1/",
        "http://a.localhost/",
    ],
)
def test_https_and_this_machine_are_safe(url: str) -> None:
    assert is_safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "/keys",
        "//id.example.com",
        "http://id.example.com",
        "http://127.0.0.1.evil.example",
        "http://169.254.169.254/latest",
        "https://user@id.example.com",
        "https://id.example.com/#x",
        "https://id.example.com:99999",
        "https://id.example.com\n.evil.example",
        "https://[::1",
        "ftp://id.example.com",
        "file:///etc/passwd",
        "https://",
    ],
)
def test_others_are_not(url: object) -> None:
    """Threat 58."""
    assert not is_safe_url(url)


async def test_an_unsafe_address_is_never_asked() -> None:
    async with new_client() as client:
        with pytest.raises(FetchFailed, match="not https"):
            await fetch_json(client, "http://id.example.com/")
