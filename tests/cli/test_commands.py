"""Guarantees of the command line as a whole: help at once, exit codes 0, 1 and 2, one clear line for a mistake."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hub import resources
from hub.cli import CommandError, commands, key_commands, main
from hub.errors import ConfigurationError
from hub.settings import load_settings
from hub.store.keyring import KeyRing
from tests.cli.processes import ROOT

COMMANDS = [
    ["serve"],
    ["demo"],
    ["service-key"],
    ["doctor"],
    ["keys", "new"],
    ["keys", "list"],
    ["keys", "add"],
    ["keys", "activate"],
    ["keys", "reseal"],
    ["keys", "drop"],
    ["config", "check"],
    ["config", "table"],
    ["sessions", "list"],
    ["sessions", "show"],
    ["sessions", "watch"],
    ["sessions", "end"],
    ["users", "end"],
    ["audit", "verify"],
    ["audit", "show"],
    ["audit", "export"],
]
HEAVY = {
    "pydantic",
    "httpx",
    "uvicorn",
    "redis",
    "starlette",
    "fastapi",
    "websockets",
    "cryptography",
    "jose",
    "asyncio",
}


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command) for command in COMMANDS])
def test_every_command_explains_itself_and_speaks_json(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--help works everywhere, and whatever prints has --json."""
    assert main([*command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_help_needs_nothing_heavy() -> None:
    """`hub --help` answers at once: what commands need is imported when they run."""
    code = "import sys; from hub.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()


def test_commands_are_the_promised_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """Internal commands do not show."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("serve", "demo", "sessions", "users", "keys", "config", "service-key"))
    assert " worker " not in shown


USAGE = [
    (["nope"], "No such command 'nope'"),
    (["serve", "--workers", "0"], "--workers"),
    (["serve", "--worker", "3"], "No such option"),
    (["serve", "--ssl-keyfile", "x"], "--ssl-keyfile needs --ssl-certfile"),
    (["serve", "--bind", "8000"], "bind: not host:port"),
    (["serve", "--config", "/no/such/hub.toml"], "no such configuration file"),
    (["config", "check", "--config", "/no/such/hub.toml"], "no such configuration file"),
    (["sessions", "show"], "SID"),
    (["service-key", "a_b"], "letters, digits, . and - only"),
    (["demo", "--port", "70000"], "--port"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, nothing on stdout, no traceback."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_every_mistake_of_a_configuration_is_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hub config check` names them all."""
    path = tmp_path / "hub.toml"
    path.write_text('bnid = "x"\nbind = "x"\n[session]\nidle = "soon"\n')
    assert main(["config", "check", "--config", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"hub: {path}: ") for line in lines)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("no luck"), 1, "hub: no luck\n"),
        (ConfigurationError("a\nb"), 2, "hub: a\nhub: b\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "hub: /x: Permission denied\n"),
        (KeyboardInterrupt(), 1, ""),
    ],
)
def test_whatever_a_command_raises_has_its_exit_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failed: 1. Usage or configuration: 2."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("hub.cli.keys.new_service_key", fail)
    assert main(["service-key", "x"]) == code
    assert capsys.readouterr() == ("", said)


def test_the_printed_configuration_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hub config check` prints TOML that means the same, and JSON that equals it; of a secret only where it is."""
    monkeypatch.setenv("HUB_IDP_SECRET", "s3same")
    path = tmp_path / "hub.toml"
    digest = hashlib.sha256(b"k").hexdigest()
    path.write_text(
        'public_url = "https://hub.example.com"\nallowed_origins = ["https://a.example.com"]\n[session]\nidle = "90s"\n'
        '[sections.profile]\nbrowser = "write"\ninitial = { "a b" = [1, { c = "ü\\"\\\\" }] }\n[sections.cart]\n'
        '[apps."a.b"]\nprefix = "/apps/a"\nupstream = "http://127.0.0.1:9001"\nsections = { profile = "read" }\n'
        f'[services.billing]\nkey_sha256 = "{digest}"\n[identity_providers.main]\nissuer = "https://id.example.com"\n'
        'client_id = "hub"\nclient_secret_env = "HUB_IDP_SECRET"\n'
    )
    assert main(["config", "check", "--config", str(path)]) == 0
    text = capsys.readouterr().out
    again = tmp_path / "again.toml"
    again.write_text(text)
    assert "s3same" not in text
    assert load_settings(again, os.environ) == load_settings(path, os.environ)
    assert main(["config", "check", "--config", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert {key: found for key, found in value.items() if found != {}} == tomllib.loads(text)


def test_a_configuration_nobody_can_log_in_with_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Valid, but surely not meant."""
    assert main(["config", "check"]) == 0
    assert "nobody can log in" in capsys.readouterr().err


def test_a_service_key_fits_its_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed table accepts the printed key: the hash is that of the whole key."""
    assert main(["service-key", "billing.eu-1"]) == 0
    key, table = capsys.readouterr().out.split("\n", 1)
    assert re.fullmatch(r"hub_sk_billing\.eu-1_[A-Za-z0-9_-]{43}", key)
    path = tmp_path / "hub.toml"
    path.write_text(table)
    service = load_settings(path, {}).services["billing.eu-1"]
    assert service.key_sha256 == (hashlib.sha256(key.encode()).hexdigest(),)
    assert main(["service-key", "x", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["key_sha256"] == hashlib.sha256(made["key"].encode()).hexdigest()


def test_keys_new_makes_a_ring_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file loads; a second call refuses with 2; the output holds no secret."""
    file = tmp_path / "ring.toml"
    assert main(["keys", "new", "--file", str(file)]) == 0
    shown = capsys.readouterr().out
    assert f'file = "{file}"' in shown
    secrets = [line for line in file.read_text().splitlines() if line.startswith("secret")]
    assert not any(secret[10:] in shown for secret in secrets if len(secret) > 20)
    assert KeyRing.load(file).master.active.kid in file.read_text()
    assert main(["keys", "new", "--file", str(file), "--json"]) == 2


def test_client_and_demo_apps_are_found() -> None:
    """Beside the package in a checkout."""
    assert (resources.find("client_js") / "package.json").is_file()
    assert (resources.find("demo_apps") / "hub.toml").is_file()


def test_every_command_is_tested_here() -> None:
    """A new command joins the list above."""
    groups = {"sessions": commands.sessions, "users": commands.users, "audit": commands.audit}
    groups |= {"keys": key_commands.keys, "config": commands.config}
    found = {f"{name} {_name(command)}" for name, group in groups.items() for command in group.registered_commands}
    found |= {_name(command) for command in commands.app.registered_commands if not command.hidden}
    assert found == {" ".join(command) for command in COMMANDS}


def _name(command: object) -> str:
    callback = getattr(command, "callback", None)
    return str(getattr(command, "name", None) or getattr(callback, "__name__", ""))
