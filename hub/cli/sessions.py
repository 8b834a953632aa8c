"""``hub sessions list | show | end`` and ``hub users end``."""

from typing import Any

from hub.cli.output import console, facts, moment, print_json, rows
from hub.cli.remote import RemoteHub, json_object, segment

LARGEST_PAGE = 500
COLUMNS = ("sid", "user", "provider", "status", "position", "live", "since", "until")


def list_sessions(hub: RemoteHub, user: str | None, app: str | None, limit: int, as_json: bool) -> None:
    """Print live sessions, page after page, up to ``limit``."""
    found: list[dict[str, Any]] = []
    params = {name: value for name, value in (("user", user), ("app", app)) if value is not None}
    while len(found) < limit:
        page = hub.get("/v1/sessions", {**params, "limit": str(min(limit - len(found), LARGEST_PAGE))})
        found += page.get("sessions", [])
        if not page.get("next"):
            break
        params["cursor"] = str(page["next"])
    if as_json:
        print_json({"sessions": found[:limit]})
    elif found:
        console().print(rows(COLUMNS, map(_row, found[:limit])))
    else:
        console().print("no sessions")


def _row(session: dict[str, Any]) -> list[str]:
    plain = [str(session.get(key, "")) for key in ("sid", "user", "provider", "status", "position", "connections")]
    return [*plain, moment(session.get("created_at", "")), moment(session.get("expires_at", ""))]


def show_session(hub: RemoteHub, sid: str, as_json: bool) -> None:
    """Print what is known of one session."""
    session = hub.get(f"/v1/sessions/{segment(sid)}")
    if as_json:
        print_json(session)
    else:
        console().print(facts(session))


def end_session(hub: RemoteHub, sid: str, detail: str | None, as_json: bool) -> None:
    """End one session."""
    body = None if detail is None else {"detail": detail}
    answer = hub.call("DELETE", f"/v1/sessions/{segment(sid)}", body=body)
    confirmed = answer.headers.get("X-Hub-Confirmed")
    if as_json:
        print_json({"sid": sid, "ended": True} | ({"confirmed": confirmed} if confirmed else {}))
    else:
        console().print(f"{sid} is over" + (f" (confirmed by replicas: {confirmed})" if confirmed else ""))


def end_user(hub: RemoteHub, user: str, provider: str | None, keep: str | None, as_json: bool) -> None:
    """End all sessions of a user."""
    params = {name: value for name, value in (("provider", provider), ("except", keep)) if value is not None}
    answer = json_object(hub.call("DELETE", f"/v1/users/{segment(user)}/sessions", params=params))
    if as_json:
        print_json(answer)
    else:
        console().print(f"{answer.get('ended', 0)} sessions of {user} are over", markup=False)
