"""Guarantees of `hub demo`: two run side by side, everything made anew, nothing left behind."""

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from hub import resources
from hub.cli import CommandError, demo, demo_words
from hub.cli.listen import bound_to, listen
from hub.settings import load_settings
from tests.cli.processes import end_of, eventually, is_alive, line_of, running
from tests.cli.test_workers import children_of


@pytest.fixture
def plan(tmp_path: Path) -> demo.Plan:
    return demo.make_plan(0, tmp_path)


def test_free_ports_are_taken_where_asked_for(plan: demo.Plan) -> None:
    """--port 0: all different, none of them privileged."""
    ports = [plan.port, *plan.ports.values()]
    assert len(set(ports)) == 5
    assert min(ports) > 1023


def test_a_taken_port_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    """Not silently replaced by another one."""
    with listen("127.0.0.1:0") as taken:
        port = int(bound_to(taken).rpartition(":")[2])
        with pytest.raises(CommandError, match=f"port {port} is taken"):
            demo.make_plan(port, tmp_path)


def test_usual_ports_are_used_only_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one of them taken, all others move too, so that nobody speaks to another demo's parts."""
    monkeypatch.setattr(demo, "is_free", lambda port: True)
    assert demo.make_plan(None, tmp_path).ports == demo.USUAL_PORTS
    assert demo.make_plan(None, tmp_path).port == 8000
    assert demo.make_plan(8001, tmp_path).ports != demo.USUAL_PORTS
    monkeypatch.setattr(demo, "is_free", lambda port: port != 9002)
    moved = demo.make_plan(None, tmp_path)
    assert moved.port != 8000
    assert not set(moved.ports.values()) & set(demo.USUAL_PORTS.values())


def test_the_demos_configuration_is_valid_wherever_it_runs(plan: demo.Plan) -> None:
    """hub.toml and the environment of the plan make settings that point at the plan's parts."""
    environ = demo.environment(plan, {"HUB_CONFIG": "x", "HUB_URL": "y", "HUB_SESSION__IDLE": "9s"})
    settings = load_settings(resources.find("demo_apps") / "hub.toml", environ)
    assert settings.public_url == settings.console_url == plan.url
    assert settings.session.idle == 9.0
    assert settings.data_dir == plan.data
    (provider,) = settings.identity_providers.values()
    assert provider.issuer == plan.issuer
    assert provider.client_secret is not None
    assert provider.client_secret.get_secret_value() == plan.idp_secret
    assert {name: app.upstream for name, app in settings.apps.items()} == {
        name: f"http://127.0.0.1:{plan.ports[name]}" for name in ("a", "b", "desk")
    }
    billing = settings.services["billing"]
    assert billing.key_sha256 == (hashlib.sha256(plan.billing_key.encode()).hexdigest(),)
    assert billing.may_list
    assert billing.sections["cart"] == "write"


def test_every_part_is_a_program_that_exists(plan: demo.Plan) -> None:
    """No secret is on a command line, where every user of the machine could read it."""
    for name, command in demo.commands(plan, resources.find("demo_apps")).items():
        assert name == "hub" or Path(command[1]).is_file()
        assert plan.idp_secret not in command
        assert plan.billing_key not in command


def test_two_demos_share_no_secret(tmp_path: Path) -> None:
    """Keys are made anew."""
    one, two = demo.make_plan(0, tmp_path), demo.make_plan(0, tmp_path)
    assert one.billing_key != two.billing_key
    assert one.idp_secret != two.idp_secret
    assert one.billing_key not in repr(one)


def test_the_curl_lines_are_shell_and_fit_the_cart() -> None:
    """They parse, they find a sid in the answer, and what they send fits the demo's own schema."""
    from jsonschema_rs import validator_for

    first, second = demo_words.curl_lines("http://localhost:8000", "hub_sk_billing_x")
    fake_curl = """curl() { printf '{"sessions": [{"sid":"one","user":"ada"}, {"sid":"two"}]}'; }"""
    script = f'{fake_curl}; {first}; echo "$SID"; curl() {{ printf "%s\\n" "$@"; }}; {second}'
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == "one"
    assert said[-1] == "http://localhost:8000/v1/sessions/one/document"
    (body,) = [line for line in said if line.startswith("{")]
    schema = json.loads((resources.find("demo_apps") / "schemas/cart.json").read_text())
    assert validator_for(schema).is_valid(json.loads(body)["cart"])


@pytest.mark.e2e
def test_the_demo_runs_and_leaves_nothing_behind() -> None:
    """All parts answer through the hub; the curl line's key works; SIGTERM ends everything with 0."""
    with running(["-m", "hub", "demo", "--port", "0", "--json"]) as program:
        about = json.loads(line_of(program))
        parts = children_of(program.pid)
        assert len(parts) == 5
        headers = {"Authorization": f"Bearer {about['billing_key']}"}
        assert httpx.get(f"{about['url']}/v1/sessions", headers=headers).json() == {"sessions": []}
        assert httpx.get(f"{about['url']}/client/index.js").status_code == 200
        door = httpx.get(f"{about['url']}/apps/desk/", headers={"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
        assert door.status_code in (302, 303)
        program.send_signal(signal.SIGTERM)
        assert end_of(program) == (0, "")
        assert not any(map(is_alive, parts))


@pytest.mark.e2e
def test_no_part_outlives_a_killed_demo() -> None:
    """kill -9 of the demo takes its parts with it."""
    with running(["-m", "hub", "demo", "--port", "0", "--json"]) as program:
        line_of(program)
        parts = children_of(program.pid)
        program.kill()
        eventually(lambda: not any(map(is_alive, parts)), "all parts are gone")


@pytest.mark.e2e
def test_a_part_that_stops_ends_the_demo_with_its_last_words() -> None:
    """One line says which part and why; exit code 1."""
    with running(["-m", "hub", "demo", "--port", "0", "--json"]) as program:
        line_of(program)
        victim = max(children_of(program.pid))
        os.kill(victim, signal.SIGKILL)
        code, said = end_of(program)
    assert code == 1
    assert said.startswith("hub: the demo's ")
    assert said.count("\n") == 1
