"""``hub serve``: one node in this process, or several in processes of their own on one socket."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.cli.files import allow_most
from hub.cli.listen import accepting, bound_to, listen, url_of
from hub.cli.metrics import Alone, Beside, Flusher, metrics_socket, metrics_url
from hub.cli.output import note, print_json
from hub.cli.server import Server, Tls, make_config
from hub.settings import Settings, config_path, load_settings


@dataclass(frozen=True, slots=True)
class Serving:
    """What ``hub serve`` was asked for."""

    config: Path | None
    bind: str | None
    workers: int
    tls: Tls | None
    as_json: bool


def serve(asked: Serving) -> None:
    """Run until a signal says to stop."""
    path = config_path(asked.config, os.environ)
    settings = load_settings(path, os.environ, {"bind": asked.bind})
    with listen(settings.bind) as listener, metrics_socket(settings.metrics_bind) as for_metrics:
        # With port 0 the real port is known only now, and public_url may follow from it.
        settings = load_settings(
            path, os.environ, {"bind": bound_to(listener) if settings.bind.endswith(":0") else asked.bind}
        )
        if not settings.identity_providers:
            note("no identity provider is configured: nobody can log in")

        def ready() -> None:
            metrics = metrics_url(for_metrics) if for_metrics is not None else ""
            _say_listening(url_of(listener, asked.tls is not None), metrics, asked.as_json)

        if asked.workers > 1:
            from hub.cli.workers import run_workers

            run_workers(settings, path, asked, listener, for_metrics, ready)
        else:
            run_node(settings, listener, asked.tls, ready, Alone(for_metrics) if for_metrics is not None else None)


def run_node(
    settings: Settings,
    listener: socket.socket,
    tls: Tls | None,
    on_ready: Callable[[], None],
    beside: Beside | None = None,
) -> None:
    """One node on a bound socket; returns when it has drained."""
    from hub.app import create_app

    allow_most()
    application = create_app(settings)
    server = Server(make_config(application, tls), application, on_ready, beside)
    server.run(sockets=accepting(listener))


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is given by its parent: descriptors, and where to write down what it counts, if it is to."""

    socket_fd: int
    link_fd: int
    number: int
    metrics_dir: Path | None


def serve_as_worker(config: Path | None, place: Place, tls: Tls | None) -> None:
    """One node on an inherited socket. Tells its parent when it is ready, and drains when the parent is gone."""
    settings = load_settings(config_path(config, os.environ), os.environ)
    listener, ready = parent_link(place.socket_fd, place.link_fd)
    beside = Flusher(place.metrics_dir, place.number) if place.metrics_dir is not None else None
    with listener:
        run_node(settings, listener, tls, ready, beside)


def parent_link(socket_fd: int, link_fd: int) -> tuple[socket.socket, Callable[[], None]]:
    """The inherited socket, and what to call once this process accepts on it."""
    link = socket.socket(fileno=link_fd)
    link.setblocking(True)

    def ready() -> None:
        threading.Thread(target=_leave_with_parent, args=(link,), daemon=True).start()

    return socket.socket(fileno=socket_fd), ready


def _leave_with_parent(link: socket.socket) -> None:
    with contextlib.suppress(OSError):  # a parent that dies with unread words resets the link
        link.send(b"!")
        while link.recv(1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


def _say_listening(url: str, metrics: str, as_json: bool) -> None:
    if as_json:
        print_json({"listening": url, **({"metrics": metrics} if metrics else {})}, lines=True)
    else:
        print(f"hub is listening on {url}" + (f"\nmetrics are at {metrics}" if metrics else ""), flush=True)
