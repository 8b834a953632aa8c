"""A demo server that is started wrongly says so in one line and exits with 2."""

import os
import socket
import subprocess
import sys

import pytest

from tests.demo.fake_hub import DEMO

SECRET = {"DEMO_IDP_SECRET": "s3cret"}
REDIRECT = ("--redirect-uri", "http://localhost:8000/auth/callback")


def run(folder: str, *arguments: str, **environ: str) -> tuple[int, list[str]]:
    """Exit code and the lines on stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
    command = [sys.executable, str(DEMO / folder / "server.py"), *arguments]
    done = subprocess.run(command, env={**kept, **environ}, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("folder", "arguments", "environ", "said"),
    [
        ("idp", REDIRECT, {}, "DEMO_IDP_SECRET"),
        ("idp", (*REDIRECT, "--client-secret-env", "OTHER"), SECRET, "OTHER"),
        ("idp", (), SECRET, "--redirect-uri"),
        ("idp", ("--redirect-uri", "/auth/callback"), SECRET, "/auth/callback"),
        ("idp", (*REDIRECT, "--port", "0", "--issuer", "http://127.0.0.1:9/x"), SECRET, "issuer"),
        ("desk", (), {}, "DEMO_BILLING_KEY"),
        ("app_a", ("--port", "70000"), {}, "70000"),
    ],
)
def test_a_mistake_is_one_clear_line(
    folder: str, arguments: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    code, lines = run(folder, *arguments, **environ)
    assert code == 2
    assert len(lines) == 1
    assert said in lines[0]


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, lines = run("app_b", "--port", port)
    assert (code, len(lines)) == (2, 1)
    assert port in lines[0]
