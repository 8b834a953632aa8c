"""Guarantees of `hub sessions` and `hub users`: the right call, a readable answer, one line for whatever goes wrong."""

import json

import pytest

from hub.cli import main
from tests.cli.fake_hub import KEY, Answer, FakeHub, http_hub

SESSION = {
    "sid": "00112233aabbccdd-AAAAAAAAAAAAAAAAAAAAAA",
    "user": "ada[red]",
    "provider": "demo",
    "status": "live",
    "position": "3.9f3a1c02",
    "created_at": "2026-11-24T10:00:00.000Z",
    "expires_at": "2026-11-24T22:00:00.000Z",
    "connections": 2,
}
SID = str(SESSION["sid"])


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_TOKEN", KEY)


def call(fake: FakeHub, *arguments: str) -> int:
    return main([*arguments, "--url", fake.url])


def test_list_shows_a_row_per_session(capsys: pytest.CaptureFixture[str]) -> None:
    """Text from elsewhere is shown as it is, not taken for markup."""
    with http_hub(Answer(body={"sessions": [SESSION]})) as fake:
        assert call(fake, "sessions", "list", "--user", "a/b", "--app", "a") == 0
    assert fake.asked == [("GET", "/v1/sessions?user=a%2Fb&app=a&limit=50", None)]
    assert fake.keys == {f"Bearer {KEY}"}
    shown = capsys.readouterr().out
    assert SID in shown
    assert "ada[red]" in shown
    assert "3.9f3a1c02" in shown


def test_list_follows_the_pages_up_to_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    """cursor goes along; no page is asked for beyond the limit."""
    page = {"sessions": [SESSION] * 500, "next": "c+1"}
    with http_hub(Answer(body=page), Answer(body=page)) as fake:
        assert call(fake, "sessions", "list", "--limit", "700", "--json") == 0
    assert [path for _, path, _ in fake.asked] == [
        "/v1/sessions?limit=500",
        "/v1/sessions?cursor=c%2B1&limit=200",
    ]
    assert len(json.loads(capsys.readouterr().out)["sessions"]) == 700


def test_no_sessions_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table would look like a failure."""
    with http_hub(Answer(body={"sessions": []})) as fake:
        assert call(fake, "sessions", "list") == 0
    assert capsys.readouterr().out == "no sessions\n"


def test_show_and_its_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The same facts for people and for programs."""
    with http_hub(Answer(body=SESSION), Answer(body=SESSION)) as fake:
        assert call(fake, "sessions", "show", SID) == 0
        assert "position" in capsys.readouterr().out
        assert call(fake, "sessions", "show", SID, "--json") == 0
    assert json.loads(capsys.readouterr().out) == SESSION
    assert fake.asked[0][1] == f"/v1/sessions/{SID}"


def test_end_sends_the_detail_and_says_what_was_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    """204 without a body is success."""
    with http_hub(Answer(204, headers={"X-Hub-Confirmed": "all"}), Answer(204)) as fake:
        assert call(fake, "sessions", "end", SID, "--detail", "lost laptop") == 0
        assert call(fake, "sessions", "end", SID, "--json") == 0
    assert fake.asked[0] == ("DELETE", f"/v1/sessions/{SID}", {"detail": "lost laptop"})
    assert fake.asked[1][2] is None
    text, value = capsys.readouterr().out.split("\n", 1)
    assert text == f"{SID} is over (confirmed by replicas: all)"
    assert json.loads(value) == {"sid": SID, "ended": True}


def test_a_user_is_ended_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Any `sub` fits into the path; provider and exception go along."""
    with http_hub(Answer(body={"ended": 3})) as fake:
        assert call(fake, "users", "end", "auth0|a/b c", "--provider", "main", "--except", SID) == 0
    assert fake.asked[0][1] == f"/v1/users/auth0%7Ca%2Fb%20c/sessions?provider=main&except={SID}"
    assert capsys.readouterr().out == "3 sessions of auth0|a/b c are over\n"


PROBLEM = {"code": "forbidden", "status": 403, "title": "This is not granted", "detail": "may_list is\nmissing"}
FAILURES = [
    (Answer(403, PROBLEM), "403 forbidden: may_list is missing"),
    (Answer(502, raw=b"<html>"), "answered 502 Bad Gateway"),
    (Answer(200, raw=b"<html>"), "this is not how a hub answers"),
    (Answer(200, body=[]), "this is not how a hub answers"),
    (Answer(302, headers={"Location": "/elsewhere"}), "answered 302 Found"),
]


@pytest.mark.parametrize(("answer", "said"), FAILURES, ids=[said for _, said in FAILURES])
def test_a_refusal_is_one_line_and_exit_code_1(answer: Answer, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The problem's own words, on stderr, nothing on stdout."""
    with http_hub(answer) as fake:
        assert call(fake, "sessions", "show", SID) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_a_hub_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens."""
    with http_hub() as fake:
        pass
    assert call(fake, "sessions", "list") == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "url", "said"),
    [
        ("", "http://127.0.0.1:1", "HUB_TOKEN is not set"),
        ("two words", "http://127.0.0.1:1", "HUB_TOKEN does not hold a service key"),
        ("käse", "http://127.0.0.1:1", "HUB_TOKEN does not hold a service key"),
        (KEY, "ftp://x", "--url takes an http:// or https:// URL"),
        (KEY, "http://u:p@x", "--url takes an http:// or https:// URL"),
        (KEY, "http://[", "--url takes an http:// or https:// URL"),
    ],
)
def test_usage_mistakes_exit_with_2(
    key: str, url: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is sent."""
    monkeypatch.setenv("HUB_TOKEN", key)
    assert main(["sessions", "show", SID, "--url", url]) == 2
    assert said in capsys.readouterr().err


def test_the_default_url_is_the_configured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """public_url."""
    with http_hub(Answer(body=SESSION)) as fake:
        monkeypatch.setenv("HUB_PUBLIC_URL", fake.url)
        assert main(["sessions", "show", SID, "--json"]) == 0
    assert len(fake.asked) == 1


def test_dots_name_no_session(capsys: pytest.CaptureFixture[str]) -> None:
    """A client would shorten the path, and call something else."""
    assert main(["sessions", "end", "..", "--url", "http://127.0.0.1:1"]) == 2
    assert "names nothing" in capsys.readouterr().err
