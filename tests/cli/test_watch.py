"""Guarantees of `hub sessions watch`: every message is shown, a lost connection is resumed, an end is an end."""

import json
from collections.abc import Callable

import pytest
from websockets.sync.server import ServerConnection

from hub.cli import main, watch
from tests.cli.fake_hub import KEY, FakeHub, live_hub

SID = "00112233aabbccdd-AAAAAAAAAAAAAAAAAAAAAA"
SNAPSHOT = {
    "type": "snapshot",
    "position": "41.77aa01ff",
    "view": "5be01c77",
    "session": {"sid": SID, "user": "ada"},
    "document": {"profile": {"name": "[b]Ada"}},
}
LIVE = {"type": "live", "position": "41.77aa01ff", "view": "5be01c77"}
CHANGE = {
    "type": "change",
    "base": "41.77aa01ff",
    "position": "42.9f3a1c02",
    "ops": [
        {"op": "replace", "path": "/profile/name", "value": "[red]Grace"},
        {"op": "remove", "path": "/cart"},
    ],
    "actor": "app:a",
    "at": "2026-11-24T10:00:00.123Z",
}
ENDED = {"type": "ended", "reason": "revoked", "detail": "lost laptop", "ended_at": "2026-11-24T10:00:01.000Z"}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TOKEN", KEY)
    monkeypatch.setattr(watch, "SHORTEST_PAUSE_SECONDS", 0.001)


def sends(*messages: object, code: int = 1000, reason: str = "") -> Callable[[ServerConnection], None]:
    def script(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message if isinstance(message, str) else json.dumps(message))
        connection.close(code, reason)

    return script


def watched(fake: FakeHub, *options: str) -> int:
    return main(["sessions", "watch", SID, "--url", fake.url, *options])


def test_a_session_is_followed_until_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Snapshot, changes and the end are shown; exit code 0. Values are text, never markup."""
    with live_hub(sends(SNAPSHOT, LIVE, CHANGE, {"type": "new"}, ENDED, code=4500)) as fake:
        assert watched(fake) == 0
    assert fake.asked == [("LIVE", f"/v1/sessions/{SID}/live", "hub.v1")]
    assert fake.keys == {f"Bearer {KEY}"}
    shown = capsys.readouterr().out
    for part in (
        "ada",
        "[b]Ada",
        "42.9f3a1c02",
        "app:a",
        '~ /profile/name = "[red]Grace"',
        "- /cart",
        "revoked",
        "lost",
    ):
        assert part in shown


def test_json_is_what_the_hub_said_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One message a line, nothing else on stdout."""
    with live_hub(sends(SNAPSHOT, CHANGE, ENDED, code=4500)) as fake:
        assert watched(fake, "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [SNAPSHOT, CHANGE, ENDED]


def test_a_lost_connection_is_resumed_where_it_stood(capsys: pytest.CaptureFixture[str]) -> None:
    """Position and view go along; nothing is asked for twice."""
    first, second = sends(SNAPSHOT, LIVE, CHANGE, code=4001, reason="5"), sends(LIVE, code=1011)
    with live_hub(first, second, sends(ENDED, code=4500)) as fake:
        assert watched(fake) == 0
    assert [path.partition("?")[2] for _, path, _ in fake.asked] == [
        "",
        "position=42.9f3a1c02&view=5be01c77",
        "position=41.77aa01ff&view=5be01c77",
    ]
    assert "connection lost (4001); coming back" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "said"), [(4501, "no such session"), (4503, "may not follow"), (1009, "1009")])
def test_a_terminal_code_is_final(code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """45xx and 1009 do not come back: one line, exit code 1."""
    with live_hub(sends(code=code)) as fake:
        assert watched(fake) == 1
    assert len(fake.asked) == 1
    assert said in capsys.readouterr().err


def test_a_session_that_is_over_already_is_no_failure() -> None:
    """4500 without `ended`: over all the same."""
    with live_hub(sends(code=4500)) as fake:
        assert watched(fake) == 0


@pytest.mark.parametrize("text", ["no json", "[]"])
def test_what_is_no_hub_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Another kind of WebSocket server."""
    with live_hub(sends(text)) as fake:
        assert watched(fake) == 1
    assert "not how a hub speaks" in capsys.readouterr().err


def test_a_hub_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No endless retries for something that never was."""
    with live_hub() as fake:
        pass
    assert watched(fake) == 1
    err = capsys.readouterr().err
    assert "cannot be reached" in err
    assert err.count("\n") == 1
