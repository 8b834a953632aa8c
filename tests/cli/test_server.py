"""Guarantees of the server: tabs are told to come back, running requests finish, reasons are one line."""

import os
import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from hub.cli import CommandError, server
from hub.cli.listen import accepting, bound_to, free_port, is_free, listen, url_of
from hub.cli.server import make_config
from hub.errors import ConfigurationError
from tests.cli.processes import end_of, eventually, line_of, running
from tests.cli.tiny_node import Tiny

NODE = ["-m", "tests.cli.tiny_node", "serve"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_node_tells_its_tabs_and_exits_with_0(number: signal.Signals) -> None:
    """4001 with the jitter window, not uvicorn's 1012; and no death by signal."""
    with running(NODE) as node, connect(line_of(node).replace("http", "ws", 1)) as tab:
        node.send_signal(number)
        with pytest.raises(ConnectionClosed) as closed:
            tab.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "250")
        assert end_of(node)[0] == 0


def test_a_request_in_flight_finishes() -> None:
    """Draining waits for answers that have begun."""
    with running(NODE) as node:
        url = line_of(node)
        with httpx.stream("GET", f"{url}/slow", timeout=10) as answer:
            node.terminate()
            assert answer.read() == b"12345"
        assert end_of(node)[0] == 0


def test_a_draining_node_accepts_nothing_new() -> None:
    """The port is closed as soon as draining begins."""
    with running(NODE, {"TINY": "stubborn"}) as node:
        url = line_of(node)
        with connect(url.replace("http", "ws", 1)) as tab:
            node.terminate()
            eventually(lambda: _refuses(url), "the port is closed")
            node.send_signal(signal.SIGINT)
            with pytest.raises(ConnectionClosed):
                tab.recv(timeout=10)
        assert end_of(node)[0] == 0


def test_a_tab_that_does_not_go_holds_a_node_up_for_half_a_minute_at_most() -> None:
    """What the application did not close in time is closed for it; the exit code stays 0."""
    assert server.DRAIN_SECONDS + server.CLOSE_SECONDS + server.LIFESPAN_SECONDS < 30
    with running(NODE, {"TINY": "hurry"}) as node, connect(line_of(node).replace("http", "ws", 1)) as tab:
        node.terminate()
        with pytest.raises(ConnectionClosed):
            tab.recv(timeout=10)
        assert end_of(node)[0] == 0


def _refuses(url: str) -> bool:
    try:
        httpx.get(url, timeout=1)
    except httpx.HTTPError:
        return True
    return False


def test_an_idle_connection_is_answered_once_more() -> None:
    """A proxy may just be writing into it: the request is answered, and the proxy told to come with no other."""
    with running(NODE) as node:
        url = line_of(node)
        with httpx.Client(base_url=url, limits=httpx.Limits(max_connections=1)) as kept:
            assert "connection" not in kept.get("/kept").headers
            node.terminate()
            eventually(lambda: _refuses(url), "the port is closed")
            last = kept.get("/kept")
            assert (last.text, last.headers["connection"]) == (str(node.pid), "close")
        assert end_of(node)[0] == 0


def test_an_idle_keep_alive_connection_does_not_hold_a_node_up() -> None:
    """Only work is waited for."""
    with running(NODE) as node:
        url = line_of(node)
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            node.terminate()
            assert end_of(node)[0] == 0


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("refuse", 2, "the tiny node does not like this\n"),
        ("break", 1, "the hub could not start: ValueError: no good (HUB_LOG_LEVEL=debug shows where)\n"),
    ],
)
def test_a_node_that_cannot_start_says_why_in_one_line(word: str, code: int, said: str) -> None:
    """No traceback, no log record, the exit code of the reason."""
    with running(NODE, {"TINY": word}) as node:
        assert end_of(node) == (code, said)


def test_certificates_that_cannot_be_used_are_a_clear_error(tmp_path: Path) -> None:
    """Missing, empty, or not belonging together."""
    (tmp_path / "empty").touch()
    for certificate in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(ConfigurationError, match="no usable certificate and key"):
            make_config(Tiny(), (str(certificate), None))


def test_good_certificates_are_taken(tmp_path: Path) -> None:
    """--ssl-certfile and --ssl-keyfile make https."""
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    config = make_config(Tiny(), (str(tmp_path / "own.pem"), None))
    assert isinstance(config.ssl, ssl.SSLContext)


def test_a_port_is_bound_once() -> None:
    """The second one is told in one line; port 0 has a real number afterwards."""
    with listen("127.0.0.1:0") as first:
        bind = bound_to(first)
        port = int(bind.rpartition(":")[2])
        assert port > 0
        assert url_of(first, tls=True) == f"https://127.0.0.1:{port}"
        assert not is_free(port)
    assert free_port() > 0


@pytest.mark.parametrize("bind", ["no.such.host.invalid:1", "192.0.2.1:0"])
def test_an_address_that_is_not_ours_is_one_line(bind: str) -> None:
    """Unknown names and foreign addresses."""
    with pytest.raises(CommandError, match=bind):
        listen(bind)


def test_a_worker_that_starts_does_not_make_the_others_wait_in_accept() -> None:
    """They share one open file, and with it whether ``accept`` waits; one made of a descriptor does not know."""
    with listen("127.0.0.1:0") as listener:
        inherited = socket.socket(fileno=os.dup(listener.fileno()))
        several = accepting(inherited)
        try:
            assert not any(os.get_blocking(each.fileno()) for each in (listener, *several))
        finally:
            for each in several:
                each.close()
