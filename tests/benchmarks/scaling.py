"""The arithmetic of ``hub/SCALING.md``: ``python -m tests.benchmarks.scaling`` writes its tables anew.

Every number comes from ``scale.json`` or follows from it here; what is assumed of a fleet is said in ``Fleet``. The
text between the tables is written by hand, and a test sees to it that the tables are those of the figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.results import Figures, load
from tests.benchmarks.simulation import storm

PAGE = Path(__file__).parents[2] / "hub" / "SCALING.md"
BUSY = 0.7  # of a core, beyond which waiting times grow
POSITIONS_EVERY_SECONDS = 10.0
MIB, GIB = 1024.0, 1024.0**2  # in KiB


@dataclass(frozen=True)
class Fleet:
    """Tabs by the million, and what their users do."""

    tabs: int = 1_000_000
    tabs_each: int = 4  # of a session
    commits_each_minute: float = 1.0  # of a session
    tabs_of_a_node: int = 50_000
    reloads_after_seconds: float = 1.0
    shards: int = 3

    @property
    def sessions(self) -> int:
        return self.tabs // self.tabs_each

    @property
    def nodes(self) -> int:
        return -(-self.tabs // self.tabs_of_a_node)

    @property
    def commits_per_second(self) -> float:
        return self.sessions * self.commits_each_minute / 60

    @property
    def scattered(self) -> float:
        """Nodes that follow one session, when its tabs go to any node."""
        return self.nodes * (1 - (1 - 1 / self.nodes) ** self.tabs_each)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Two digits that count, thousands apart."""
    return f"{float(f'{value:.2g}'):,.10g}"


def measured(figures: Mapping[str, Figures]) -> str:
    """What was measured."""
    tabs, growth = figures["tabs"], figures["growth"]
    rows = [
        ("memory of a node with no tab", f"{number(tabs['node_kib_empty'] / MIB)} MiB"),
        (f"memory of one more idle tab (at {tabs['tabs']:,.0f})", f"{tabs['node_kib_per_tab']:.0f} KiB"),
        ("CPU of an idle tab: node", f"{number(tabs['node_us_per_idle_tab_and_second'])} µs a second"),
        ("CPU of a commit nobody follows: node", f"{number(tabs['node_us_per_commit_alone'])} µs"),
        ("… and store", f"{number(tabs['store_us_per_commit_alone'])} µs"),
        ("CPU of one delivery: node", f"{number(tabs['node_us_per_delivery'])} µs"),
        ("CPU of opening a tab: node", f"{number(tabs['node_us_per_opening'])} µs"),
        ("… and store", f"{number(tabs['store_us_per_opening'])} µs"),
        ("CPU of reading a session: store", f"{number(tabs['store_us_per_read'])} µs"),
        ("CPU of comparing one position: store", f"{number(tabs['store_us_per_position'])} µs"),
        ("store memory of a session (small document, one entry)", f"{number(tabs['store_bytes_per_session'])} B"),
        ("… and of its channel and presence", f"{number(tabs['store_bytes_per_channel_and_presence'])} B"),
        ("node CPU of a commit at 20,000 live sessions ÷ at 200", f"{growth['p6_ratio']:.2f}"),
        ("… where commits go to all of the 20,000", f"{growth['over_all_ratio']:.2f}"),
    ]
    return table(["measured", "figure"], rows)


def one_node(figures: Mapping[str, Figures]) -> str:
    """What a core carries."""
    tabs = figures["tabs"]
    with_four = tabs["node_us_per_commit_alone"] + 4 * tabs["node_us_per_delivery"]
    rows = [
        ("tabs in 1 GiB", number(GIB / tabs["node_kib_per_tab"]), "1 GiB ÷ memory of a tab"),
        ("commits/s, nobody following", number(1e6 / tabs["node_us_per_commit_alone"]), "1 s ÷ CPU of a commit"),
        ("commits/s, four tabs following", number(1e6 / with_four), "1 s ÷ (commit + 4 deliveries)"),
        ("deliveries/s", number(1e6 / tabs["node_us_per_delivery"]), "1 s ÷ CPU of a delivery"),
        ("openings/s", number(1e6 / tabs["node_us_per_opening"]), "1 s ÷ CPU of an opening"),
        (
            "50,000 idle tabs",
            f"{50_000 * tabs['node_us_per_idle_tab_and_second'] / 1e4:.0f} % of the core",
            "50,000 × CPU of an idle tab",
        ),
        ("commits/s of one store core", number(1e6 / tabs["store_us_per_commit_alone"]), "1 s ÷ store CPU of a commit"),
    ]
    return table(["one core carries, fully used", "figure", "because"], rows)


def million(figures: Mapping[str, Figures], fleet: Fleet) -> str:
    """Each resource at a million tabs."""
    tabs = figures["tabs"]
    commits, nodes = fleet.commits_per_second, fleet.nodes
    follows = fleet.sessions * fleet.scattered
    node_cpu = {
        "idle": fleet.tabs_of_a_node * tabs["node_us_per_idle_tab_and_second"],
        "commits": commits / nodes * tabs["node_us_per_commit_alone"],
        "deliveries": commits * fleet.tabs_each / nodes * tabs["node_us_per_delivery"],
    }
    store_commits = commits * tabs["store_us_per_commit_alone"]
    check = tabs["store_us_per_position"] / POSITIONS_EVERY_SECONDS
    store = store_commits + follows * check
    memory = fleet.tabs_of_a_node * tabs["node_kib_per_tab"] / GIB
    kept_each = tabs["store_bytes_per_session"] + tabs["store_bytes_per_channel_and_presence"]
    kept = fleet.sessions * kept_each / 1024 / GIB
    each_node = sum(node_cpu.values())
    rows = [
        ("files of a node", f"{fleet.tabs_of_a_node:,}", f"`ulimit -n` ≥ {fleet.tabs_of_a_node * 16 // 15 + 64:,}"),
        ("memory of a node", f"{memory:.1f} GiB", "tabs × memory of a tab"),
        ("core of a node", f"{each_node / 1e4:.0f} %", _shares(node_cpu)),
        ("commits/s at the store", number(commits), f"{store_commits / 1e4:.0f} % of a core"),
        ("channels, tabs of a session anywhere", number(follows), f"{fleet.scattered:.1f} nodes follow a session"),
        ("positions compared/s", number(follows / POSITIONS_EVERY_SECONDS), f"{follows * check / 1e4:.0f} % of a core"),
        (
            "… with a session's tabs on one node",
            number(fleet.sessions / POSITIONS_EVERY_SECONDS),
            f"{fleet.sessions * check / 1e4:.0f} % of a core",
        ),
        ("store memory", f"{kept:.1f} GiB", "sessions, channels and presence"),
        ("one store, all of it", f"{store / 1e4:.0f} % of its core", "positions and commits"),
        (
            f"each of {fleet.shards} shards",
            f"{store / fleet.shards / 1e4:.0f} % of its core",
            "users are spread evenly",
        ),
        ("tabs at which one store is at 70 %", number(BUSY * 1e6 / store * fleet.tabs), "the first wall"),
        (f"… {fleet.shards} shards", number(fleet.shards * BUSY * 1e6 / store * fleet.tabs), ""),
    ]
    return table([f"{fleet.tabs:,} tabs on {nodes} nodes", "figure", "that is"], rows)


def _shares(parts: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value / 1e4:.1f} %" for name, value in parts.items())


def storms(figures: Mapping[str, Figures], fleet: Fleet) -> str:
    """Measured once, simulated elsewhere."""
    opening, seen = figures["tabs"]["node_us_per_opening"], figures["storm"]
    rows = [
        (
            f"{seen['tabs']:,.0f} tabs to 1 node, measured",
            *(f"{seen[f'back_{name}_seconds']:.1f} s" for name in ("p50", "p99", "last")),
            number(seen["upgrades_refused"]),
        )
    ]
    others, leaving_window = fleet.nodes - 1, min(20.0, fleet.tabs_of_a_node / 1000)
    for what, back in (
        (f"{seen['tabs']:,.0f} tabs to 1 node, simulated", storm(int(seen["tabs"]), 1, opening)),
        ("50,000 tabs to 1 node (or a million to 20: a balancer restarts)", storm(50_000, 1, opening)),
        (
            f"50,000 tabs to {fleet.nodes - 1} nodes (one of {fleet.nodes} dies)",
            storm(50_000, fleet.nodes - 1, opening),
        ),
        (
            f"… the same node is drained ({leaving_window:.0f} s window)",
            storm(50_000, others, opening, window_seconds=leaving_window),
        ),
    ):
        rows.append((what, f"{back.p50:.1f} s", f"{back.p99:.1f} s", f"{back.last:.1f} s", number(back.refused)))
    return table(["storm", "half are live", "99 %", "all", "turned away"], rows)


def survived(figures: Mapping[str, Figures]) -> str:
    """What the measured storm cost, and what others felt."""
    seen = figures["storm"]
    rows = [
        ("copies that differ from the store afterwards", f"{seen['copies_that_differ']:.0f} of {seen['tabs']:,.0f}"),
        ("commits to their sessions meanwhile", f"{seen['commits_meanwhile']:,.0f}"),
        ("callers refused", f"{seen['callers_refused']:.0f}"),
        ("callers' p99 before", f"{seen['callers_p99_ms_quiet']:.0f} ms"),
        ("callers' p99 meanwhile", f"{seen['callers_p99_ms_meanwhile']:.0f} ms"),
        ("CPU of the node that took over", f"{seen['node_cpu_seconds']:.1f} s"),
        ("memory of it afterwards", f"{seen['node_mib']:.0f} MiB"),
        ("CPU of the store", f"{seen['store_cpu_seconds']:.1f} s"),
        ("CPU of the processes that were the tabs", f"{seen['tabs_cpu_seconds']:.1f} s"),
    ]
    return table([f"{seen['tabs']:,.0f} tabs lose their node, measured", "figure"], rows)


TABLES: dict[str, Callable[[Mapping[str, Figures]], str]] = {
    "measured": measured,
    "one node": one_node,
    "million": lambda figures: million(figures, Fleet()),
    "survived": survived,
    "storms": lambda figures: storms(figures, Fleet()),
}


def filled(page: str, figures: Mapping[str, Figures]) -> str:
    """The page with its tables made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        assert len(pattern.findall(page)) == 1, f"the page has no place for the table {name!r}"
        made = make(figures)
        page = pattern.sub(lambda found, made=made: f"{found[1]}{made}\n{found[2]}", page)  # type: ignore[misc]
    return page


def main() -> None:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text(), load()))


if __name__ == "__main__":
    main()
