"""The routes of sessions, documents, live connections and health, each with its description."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp

from hub.api.documents import JSON_PATCH, MERGE_PATCH, Documents
from hub.api.routes import Answer, Parameter, Route
from hub.api.schemas import POSITION, SID, ref
from hub.api.sessions import SessionHandlers

JSON = "application/json"
DOCUMENT = "/v1/sessions/{sid}/document"
CALL = (400, 401, 403, 404, 413, 421, 429, 431, 503)
OVER = 410
SID_IN_PATH = Parameter("sid", "path", "The session, or `me` for the caller's own.", SID, required=True)
USER_IN_PATH = Parameter("user", "path", "The user's `sub` at the provider, or `me`.", required=True)
PROVIDER = Parameter("provider", "query", "Name of the identity provider, where there are several.")
SECTION = Parameter("section", "path", "A section.", required=True)
IF_MATCH = Parameter("If-Match", "header", "Commit only on this position, as in `ETag`.")
KEY = Parameter("Idempotency-Key", "header", "1–64 of `[A-Za-z0-9_-]`; remembered for 10 minutes.")
PREFER = Parameter("Prefer", "header", "`return=minimal` or `return=representation`.")
CSRF = Parameter("X-Hub-CSRF", "header", "`1`; required where a cookie is the credential.")
DETAIL: dict[str, Any] = {JSON: ref("Detail")}
EXCEPT = Parameter("except", "query", "A session that is spared.")


def _limit(default: int, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", "query", f"At most so many (default {default}, most {most}).", schema)


def _ok(schema: str, says: str, *headers: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, says, JSON, ref(schema), headers)


def _empty(says: str, *headers: str, status: HTTPStatus = HTTPStatus.NO_CONTENT) -> Answer:
    return Answer(status, says, headers=headers)


COMMITTED = (
    _ok("Committed", "Committed, or nothing to change.", "ETag", "Idempotency-Replayed", "Preference-Applied"),
    _empty("The same, for `Prefer: return=minimal`.", "ETag"),
)
COMMIT_PROBLEMS = (*CALL, 409, OVER, 412, 422)


def session_routes(handlers: SessionHandlers) -> list[Route]:
    """``/v1/sessions`` and ``/v1/users``."""
    return [*_all_sessions(handlers), *_one_session(handlers), *_sessions_of_a_user(handlers)]


def _all_sessions(handlers: SessionHandlers) -> list[Route]:
    return [
        Route(
            "POST",
            "/v1/sessions",
            "Open a session with a fresh token of a configured identity provider as bearer.",
            [_ok("OpenedSession", "It is open.", "Location", status=HTTPStatus.CREATED)],
            handlers.open,
            problems=CALL,
        ),
        Route(
            "GET",
            "/v1/sessions",
            "List live sessions (operators, and services with `may_list`).",
            [_ok("Sessions", "A page of sessions.")],
            handlers.list_all,
            parameters=(
                Parameter("user", "query", "Only sessions of this user."),
                PROVIDER,
                Parameter("app", "query", "Only sessions this app is connected to."),
                Parameter("cursor", "query", "`next` of the page before."),
                _limit(50, 500),
            ),
            problems=CALL,
        ),
    ]


def _one_session(handlers: SessionHandlers) -> list[Route]:
    return [
        Route(
            "GET",
            "/v1/sessions/{sid}",
            "About a session; never its document.",
            [_ok("Session", "The session, live or over.")],
            handlers.show,
            parameters=(SID_IN_PATH,),
            problems=CALL,
        ),
        Route(
            "DELETE",
            "/v1/sessions/{sid}",
            "End a session; also when it is over already.",
            [_empty("It is over.", "X-Hub-Confirmed")],
            handlers.end,
            parameters=(SID_IN_PATH, CSRF),
            bodies=DETAIL,
            body_required=False,
            problems=(*CALL, 415),
        ),
    ]


def _sessions_of_a_user(handlers: SessionHandlers) -> list[Route]:
    return [
        Route(
            "GET",
            "/v1/users/{user:path}/sessions",
            "The live sessions of a user.",
            [_ok("Sessions", "The sessions, oldest first.")],
            handlers.of_user,
            parameters=(USER_IN_PATH, PROVIDER),
            problems=CALL,
        ),
        Route(
            "DELETE",
            "/v1/users/{user:path}/sessions",
            "Log a user out everywhere, in one atomic act.",
            [_ok("Ended", "How many sessions ended.", "X-Hub-Confirmed")],
            handlers.end_user,
            parameters=(USER_IN_PATH, PROVIDER, EXCEPT, CSRF),
            bodies=DETAIL,
            body_required=False,
            problems=(*CALL, 415),
        ),
    ]


def document_routes(handlers: Documents) -> list[Route]:
    """``/v1/sessions/{sid}/document`` and ``/changes``."""
    return [*_readings(handlers), *_commits(handlers)]


def _readings(handlers: Documents) -> list[Route]:
    return [
        Route(
            "GET",
            DOCUMENT,
            "The visible document.",
            [
                _ok("Document", "The visible sections.", "ETag"),
                _empty("It is the one you have.", "ETag", status=HTTPStatus.NOT_MODIFIED),
            ],
            handlers.read,
            tag="documents",
            parameters=(
                SID_IN_PATH,
                Parameter("sections", "query", "Only these, separated by commas."),
                Parameter("position", "query", "As it was then (operators).", POSITION),
                Parameter("If-None-Match", "header", "The position you have."),
            ),
            problems=(*CALL, OVER, 422),
        ),
        Route(
            "GET",
            "/v1/sessions/{sid}/changes",
            "What came after a position.",
            [_ok("Changes", "The changes, in order.", "ETag")],
            handlers.changes,
            tag="documents",
            parameters=(
                SID_IN_PATH,
                Parameter("since", "query", "The position to continue from.", POSITION, required=True),
                _limit(256, 256),
            ),
            problems=(*CALL, OVER),
        ),
    ]


def _commits(handlers: Documents) -> list[Route]:
    section, commit = DOCUMENT + "/{section}", (SID_IN_PATH, IF_MATCH, KEY, PREFER, CSRF)
    return [
        Route(
            "PATCH",
            DOCUMENT,
            "Commit a change.",
            COMMITTED,
            handlers.patch,
            tag="documents",
            parameters=commit,
            bodies={MERGE_PATCH: ref("MergePatch"), JSON_PATCH: ref("JsonPatch")},
            problems=(*COMMIT_PROBLEMS, 415),
        ),
        Route(
            "PUT",
            section,
            "Replace one section; needs `If-Match`.",
            COMMITTED,
            handlers.replace,
            tag="documents",
            parameters=(*commit, SECTION),
            bodies={JSON: {}},
            problems=(*COMMIT_PROBLEMS, 415, 428),
        ),
        Route(
            "DELETE",
            section,
            "Remove one section.",
            COMMITTED,
            handlers.remove,
            tag="documents",
            parameters=(*commit, SECTION),
            problems=COMMIT_PROBLEMS,
        ),
    ]


def live_routes(refuse: ASGIApp, websocket: ASGIApp, events: ASGIApp) -> list[Route]:
    """``/live`` and ``/events``. ``refuse`` answers plain requests to ``/live``."""
    parameters = (
        SID_IN_PATH,
        Parameter("position", "query", "Resume from here, with `view`.", POSITION),
        Parameter("view", "query", "The view the copy was made under."),
        Parameter("app", "query", "The app this tab belongs to."),
        Parameter("presence", "query", "`1`: also who is connected."),
    )
    return [
        Route(
            "GET",
            "/v1/sessions/{sid}/live",
            "Follow a session over a WebSocket, subprotocol `hub.v1`.",
            [_empty("Upgraded.", status=HTTPStatus.SWITCHING_PROTOCOLS)],
            asgi=refuse,
            websocket=websocket,
            tag="live",
            parameters=parameters,
            problems=(*CALL, 426),
        ),
        Route(
            "GET",
            "/v1/sessions/{sid}/events",
            "Follow a session as server-sent events.",
            [
                Answer(HTTPStatus.OK, "The messages, until the session ends.", "text/event-stream", {"type": "string"}),
                _empty("The session is over: do not come back."),
            ],
            asgi=events,
            tag="live",
            parameters=(*parameters, Parameter("Last-Event-ID", "header", "`position/view` of the last event.")),
            problems=(*CALL, OVER),
        ),
    ]
