"""A running hub, over HTTP, as a service sees it. The key comes from ``HUB_TOKEN`` and is never an argument."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import typer

from hub.cli import CommandError
from hub.settings import config_path, load_settings

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class RemoteHub:
    """Base URL without a slash at its end, and the credential."""

    url: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What proves who is calling."""
        return {"Authorization": f"Bearer {self.token}"}

    def call(
        self, method: str, path: str, *, params: dict[str, str] | None = None, body: object = None
    ) -> httpx.Response:
        """One request. :class:`CommandError` with the problem's own words for anything but success."""
        try:
            answer = httpx.request(
                method,
                self.url + path,
                params=params,
                json=body,
                headers={**self.headers, "Accept": "application/json"},
                timeout=TIMEOUT_SECONDS,
            )
        except httpx.HTTPError as error:
            raise CommandError(f"{self.url}: cannot be reached ({_reason(error)})") from None
        if not answer.is_success:
            raise CommandError(_problem(answer))
        return answer

    def get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        """A JSON object."""
        return json_object(self.call("GET", path, params=params))


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object; :class:`CommandError` if that is something else."""
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandError(f"{answer.request.url}: this is not how a hub answers")
    return value


def find_hub(url: str | None, config: Path | None) -> RemoteHub:
    """The hub at ``--url``, else the one of the configuration."""
    token = os.environ.get("HUB_TOKEN", "").strip()
    if not token:
        raise typer.BadParameter("HUB_TOKEN is not set; put a service key into it")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise typer.BadParameter("HUB_TOKEN does not hold a service key")
    base = (url or load_settings(config_path(config, os.environ), os.environ).public_url).rstrip("/")
    if not _is_base(base):
        raise typer.BadParameter("--url takes an http:// or https:// URL")
    return RemoteHub(base, token)


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        fine = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return (
        fine and parts.scheme in ("http", "https") and "@" not in parts.netloc and not (parts.query or parts.fragment)
    )


def segment(text: str) -> str:
    """Text as one path segment."""
    if text in (".", "..", ""):
        raise typer.BadParameter("this names nothing")
    return quote(text, safe="")


def _problem(answer: httpx.Response) -> str:
    try:
        problem = json_object(answer)
    except CommandError:
        return f"{answer.request.url}: answered {answer.status_code} {answer.reason_phrase}".rstrip()
    said = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
    return f"{answer.status_code} {problem.get('code', '')}: {' '.join(said.split())}"


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in {TIMEOUT_SECONDS:g} s"
    return " ".join(str(error).split()) or type(error).__name__
