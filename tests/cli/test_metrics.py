"""The metrics listener of ``hub serve``: where it is, that it says so, what else it does not do, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from hub.cli.listen import listen, url_of
from tests.cli.processes import Program, end_of, eventually, line_of, running
from tests.cli.test_workers import children_of
from tests.support.nodes import Cluster

pytestmark = pytest.mark.e2e

FREE = "127.0.0.1:0"


def serve(
    hub_cluster: Cluster, bind: str, *options: str, folder: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a hub on a free port, whose metrics are at ``bind``."""
    config = ["--config", str(hub_cluster.folder / "hub.toml"), "--bind", FREE]
    settings = {"HUB_STORE_URL": hub_cluster.url_for_hubs, "HUB_KEYS__FILE": str(hub_cluster.ring)}
    settings |= {"HUB_METRICS_BIND": bind, **({"TMPDIR": str(folder)} if folder else {})}
    return ["-m", "hub", "serve", *config, *options], settings


def said_by(program: Program) -> dict[str, str]:
    """Where it says it is."""
    said: dict[str, str] = json.loads(line_of(program))
    return said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_that_is_taken_is_a_clear_error(hub_cluster: Cluster, workers: str) -> None:
    """One line that names the key and the two ways out; exit code 2, and nothing was started."""
    with listen(FREE) as other:
        bind = url_of(other, tls=False).removeprefix("http://")
        with running(*serve(hub_cluster, bind, "--workers", workers)) as program:
            code, said = end_of(program)
    assert code == 2
    assert said == (
        f"hub: metrics_bind: {bind}: address already in use. If that is another hub, give this one an address of its "
        'own: HUB_METRICS_BIND=127.0.0.1:0 takes a free port, HUB_METRICS_BIND="" goes without metrics\n'
    )


def test_a_node_says_where_its_metrics_are_and_answers_nothing_else_there(hub_cluster: Cluster) -> None:
    """Port 0 takes a free one; with a scraper still connected it stops like any other."""
    with running(*serve(hub_cluster, FREE, "--json")) as program, httpx.Client(verify=False) as scraper:
        said = said_by(program)
        answer = scraper.get(said["metrics"])
        assert answer.headers["content-type"].startswith("text/plain")
        assert "hub_workers 1.0\n" in answer.text
        assert "hub_worker_restarts_total 0.0\n" in answer.text
        assert "\nprocess_resident_memory_bytes " in answer.text
        base = said["metrics"].removesuffix("/metrics")
        for path in ("/", "/healthz", "/readyz", "/openapi.json", "/v1/sessions/me", "/apps/a/"):
            assert scraper.get(base + path).status_code == 404, path
        assert scraper.get(f"{said['listening']}/metrics").status_code == 404
        program.terminate()
        assert end_of(program)[0] == 0


def test_without_metrics_there_is_no_listener(hub_cluster: Cluster) -> None:
    """``metrics_bind = ""``: one socket listens."""
    with running(*serve(hub_cluster, "", "--json")) as program:
        assert said_by(program).keys() == {"listening"}
        assert listening_sockets(program.pid) == 1
    with running(*serve(hub_cluster, FREE)) as program:
        assert line_of(program).startswith("hub is listening on http://127.0.0.1:")
        assert line_of(program).startswith("metrics are at http://127.0.0.1:")
        assert listening_sockets(program.pid) == 2


def listening_sockets(pid: int) -> int:
    """TCP sockets of a process that wait for connections."""
    links = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink())
    own = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] == "0A" and row[9] in own for row in rows)


def test_the_parent_answers_for_all_workers_and_leaves_nothing_behind(hub_cluster: Cluster, tmp_path: Path) -> None:
    """Its children have no listener of their own; the folder they write into is gone when it stops."""
    with running(*serve(hub_cluster, FREE, "--workers", "2", "--json", folder=tmp_path)) as parent:
        said = said_by(parent)
        eventually(lambda: "hub_workers 2.0\n" in httpx.get(said["metrics"], verify=False).text, "two workers")
        text = httpx.get(said["metrics"], verify=False).text
        for worker in ("parent", "1", "2"):
            assert f'process_open_fds{{worker="{worker}"}}' in text
        assert all(listening_sockets(child) == 1 for child in children_of(parent.pid))
        (folder,) = tmp_path.glob("hub-metrics-*")
        assert any(folder.iterdir())
        parent.terminate()
        assert end_of(parent)[0] == 0
    assert list(tmp_path.iterdir()) == []
