"""The commands against a real node: what an operator types on a bad day works, and says what happened."""

import json
import secrets
import subprocess
import sys

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.cli.processes import end_of, eventually, is_alive, line_of, running
from tests.cli.test_workers import children_of
from tests.support.nodes import ROOT, SERVICE_KEY, Cluster, Node, clean_environment
from tests.support.tabs import Opened, as_service, log_in, merge

pytestmark = pytest.mark.e2e


@pytest.fixture
async def opened(hub_cluster: Cluster, node: Node) -> Opened:
    return await log_in(hub_cluster, node, user=f"grace-{secrets.token_hex(4)}")


def hub(node: Node, *arguments: str, key: str = SERVICE_KEY) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of ``hub ARGUMENTS --url …``."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", *arguments, "--url", node.url],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        env=clean_environment() | {"HUB_TOKEN": key},
        cwd=ROOT,
    )
    return done.returncode, done.stdout, done.stderr


def test_sessions_are_listed_shown_and_ended(node: Node, opened: Opened) -> None:
    """list, show, end, and what they say afterwards."""
    code, out, _ = hub(node, "sessions", "list", "--user", opened.user, "--json")
    assert code == 0
    assert opened.sid in [session["sid"] for session in json.loads(out)["sessions"]]
    code, out, _ = hub(node, "sessions", "show", opened.sid)
    assert code == 0
    assert opened.position in out
    code, out, _ = hub(node, "sessions", "end", opened.sid, "--detail", "lost laptop")
    assert (code, out.startswith(f"{opened.sid} is over")) == (0, True)
    code, out, _ = hub(node, "sessions", "show", opened.sid, "--json")
    assert (code, json.loads(out)["reason"]) == (0, "revoked")
    code, _, err = hub(node, "sessions", "show", "0" * 16 + "-" + "A" * 22)
    assert (code, err.startswith("hub: 404 session_not_found: "), err.count("\n")) == (1, True, 1)


async def test_a_user_is_logged_out_everywhere(hub_cluster: Cluster, node: Node) -> None:
    """`hub users end` ends all sessions at once."""
    for _ in range(3):
        await log_in(hub_cluster, node, user="somebody/with a slash")
    code, out, err = hub(node, "users", "end", "somebody/with a slash", "--json")
    assert (code, err, json.loads(out)) == (0, "", {"ended": 3})


def test_a_wrong_key_is_one_line(node: Node, opened: Opened) -> None:
    """401, exit code 1, and the key is not repeated."""
    code, out, err = hub(node, "sessions", "list", key="hub_sk_billing_wrong")
    assert (code, out) == (1, "")
    assert err.startswith("hub: 401 unauthenticated: ")
    assert "wrong" not in err


async def test_a_watcher_sees_each_commit_and_the_end(node: Node, opened: Opened) -> None:
    """snapshot, live, change, ended as JSON lines; exit code 0."""
    command = ["-m", "hub", "sessions", "watch", opened.sid, "--url", node.url, "--json"]
    with running(command, {"HUB_TOKEN": SERVICE_KEY}) as watcher:
        assert json.loads(line_of(watcher))["type"] == "snapshot"
        assert json.loads(line_of(watcher))["type"] == "live"
        async with as_service(node) as service:
            answer = await merge(service, opened.sid, {"profile": {"name": "Grace"}})
            change = json.loads(line_of(watcher))
            assert (change["type"], change["position"]) == ("change", answer.json()["position"])
            await service.delete(f"/v1/sessions/{opened.sid}")
        assert json.loads(line_of(watcher))["type"] == "ended"
        assert end_of(watcher) == (0, "")


async def test_a_watcher_comes_back_to_another_node_with_what_it_missed(hub_cluster: Cluster, opened: Opened) -> None:
    """The node dies; at the same address another one answers: resumed without a snapshot."""
    first = hub_cluster.node()
    command = ["-m", "hub", "sessions", "watch", opened.sid, "--url", first.url, "--json"]
    with running(command, {"HUB_TOKEN": SERVICE_KEY}) as watcher:
        assert [json.loads(line_of(watcher))["type"] for _ in range(2)] == ["snapshot", "live"]
        first.kill()
        with running(
            [
                "-m",
                "hub",
                "serve",
                "--bind",
                f"127.0.0.1:{first.port}",
                "--config",
                str(hub_cluster.folder / "hub.toml"),
            ],
            {"HUB_STORE_URL": hub_cluster.url_for_hubs, "HUB_KEYS__FILE": str(hub_cluster.ring)},
        ) as second:
            line_of(second)
            async with as_service(first) as service:
                await merge(service, opened.sid, {"profile": {"name": "Grace"}})
            said = [json.loads(line_of(watcher))["type"]]
            while said[-1] != "change":
                said.append(json.loads(line_of(watcher))["type"])
            assert "snapshot" not in said
            second.terminate()
            assert end_of(second)[0] == 0


def consume(tab: ClientConnection) -> None:
    while True:
        tab.recv(timeout=5)


async def test_a_drained_node_sends_its_tabs_elsewhere(hub_cluster: Cluster, opened: Opened) -> None:
    """SIGTERM with live tabs: 4001 with a jitter window, exit code 0."""
    node = hub_cluster.node()
    with connect(
        f"{node.ws_url}/v1/sessions/{opened.sid}/live",
        additional_headers={"Authorization": f"Bearer {SERVICE_KEY}"},
        subprotocols=["hub.v1"],  # type: ignore[list-item]
    ) as tab:
        assert json.loads(tab.recv(timeout=5))["type"] == "snapshot"
        assert node.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            consume(tab)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001
    assert closed.value.rcvd.reason.isdecimal()


def test_workers_share_the_embedded_store_and_a_second_server_is_refused(hub_cluster: Cluster) -> None:
    """--workers N: one store, one port, one lock; SIGTERM ends all of it with 0."""
    data = {"HUB_DATA_DIR": str(hub_cluster.folder / "own"), "HUB_STORE_URL": "embedded"}
    serve = ["-m", "hub", "serve", "--bind", "127.0.0.1:0", "--config", str(hub_cluster.folder / "hub.toml")]
    with running([*serve, "--workers", "2", "--json"], data) as parent:
        url = json.loads(line_of(parent))["listening"]
        eventually(lambda: len(children_of(parent.pid)) == 3, "two workers and the store")
        everybody = children_of(parent.pid)
        assert httpx.get(f"{url}/readyz", timeout=5).json()["mode"] == "live"
        with running(serve, data) as second:
            code, said = end_of(second)
            assert code == 2
            assert "is in use by another hub" in said
        parent.terminate()
        assert end_of(parent)[0] == 0
        assert not any(map(is_alive, everybody))
