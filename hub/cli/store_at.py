"""How a command gets at the store itself, with the configuration of a node: beside running hubs, or while none runs."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hub.cli import CommandError
from hub.errors import HubError
from hub.settings import Settings
from hub.store.connecting import StoreTls
from hub.store.visiting import visited

Result = TypeVar("Result")


def tls_of(settings: Settings) -> StoreTls:
    """How the store proves itself to a command, and the command to it."""
    return StoreTls(settings.store_ca_file, settings.store_cert_file, settings.store_key_file)


def on_store(
    settings: Settings, job: Callable[[str, StoreTls], Coroutine[Any, Any, Result]], *, cannot_be: str
) -> Result:
    """Run ``job`` on the store's URL. Raises ``CommandError`` ("the store cannot be …") where it cannot be reached."""
    with _url_of(settings) as url:
        try:
            return asyncio.run(job(url, tls_of(settings)))
        except HubError as error:
            raise CommandError(f"the store cannot be {cannot_be}: {error.detail}") from None


@contextmanager
def _url_of(settings: Settings) -> Iterator[str]:
    if settings.store_url != "embedded":
        yield settings.store_url
        return
    with visited(settings.data_dir) as url:
        yield url
