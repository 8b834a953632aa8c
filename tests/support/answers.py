"""What every answer of the hub must look like, good or bad."""

from __future__ import annotations

from typing import Any

import httpx

LEAKS = ("Traceback", "redis", "valkey", "unix://", "hub/", ".py", "hub_st_", "hub_sk_")


def assert_marked(answer: httpx.Response, *, is_stored: bool = False) -> None:
    """The headers every answer of the hub itself has; ``is_stored``: caches may keep it."""
    assert answer.headers["X-Hub-Response"] == "1"
    assert len(answer.headers["X-Request-Id"]) >= 8
    if not is_stored:
        assert answer.headers["Cache-Control"] == "no-store"
    assert "set-cookie" not in answer.headers


def good(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer that must be good."""
    assert answer.status_code == status, answer.text
    assert_marked(answer)
    if not answer.content:
        return None
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The members of a refusal that must be ``status`` and ``code`` (RFC 9457), and show nothing of the inside."""
    assert answer.status_code == status, answer.text
    assert_marked(answer)
    assert answer.headers["Content-Type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert said["code"] == code, said
    assert (said["status"], said["request_id"]) == (status, answer.headers["X-Request-Id"])
    assert {"type", "title", "detail", "retryable"} <= said.keys()
    assert not [leak for leak in LEAKS if leak in answer.text], answer.text
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
        assert said["retryable"] is True
    return said
