"""The routes under ``/auth/``, each with its description."""

from __future__ import annotations

from http import HTTPStatus

from hub.api.auth.deps import AuthDeps
from hub.api.auth.handover import ENTER_PATH, HANDOVER_PATH, HandoverHandlers
from hub.api.auth.login import LogInHandlers
from hub.api.auth.logout import FORM, LogOutHandlers
from hub.api.routes import Answer, Handler, Parameter, Route

HTML = "text/html"
TAG = "log-in"
RETURN_TO = Parameter("return_to", "query", "A path of this hub to go to afterwards; anything else leads to `/`.")
_FORM_SCHEMA = {
    "type": "object",
    "properties": {"csrf": {"type": "string"}, "everywhere": {"type": "string"}},
    "required": ["csrf"],
}


def _page(status: HTTPStatus, says: str, *headers: str) -> Answer:
    return Answer(status, says, HTML, {"type": "string"}, headers)


FAILED = (
    _page(HTTPStatus.BAD_REQUEST, "This log-in cannot be finished; the page says why."),
    _page(HTTPStatus.TOO_MANY_REQUESTS, "Too many log-ins from this address.", "Retry-After"),
    _page(HTTPStatus.SERVICE_UNAVAILABLE, "The identity provider or the store does not answer.", "Retry-After"),
)


def auth_routes(deps: AuthDeps) -> list[Route]:
    """Log-in, callback, hand-over to apps' own hosts, log-out and the signed-out page."""
    return [
        *_login_routes(LogInHandlers(deps)),
        *_handover_routes(HandoverHandlers(deps)),
        *_logout_routes(LogOutHandlers(deps)),
    ]


def _login_routes(handlers: LogInHandlers) -> list[Route]:
    return [
        Route(
            "GET",
            "/auth/login",
            "Begin a log-in in a browser (OpenID Connect, code flow with PKCE).",
            [
                Answer(HTTPStatus.FOUND, "On to the identity provider.", headers=("Location", "Set-Cookie")),
                Answer(HTTPStatus.SEE_OTHER, "Signed in already: on to `return_to`.", headers=("Location",)),
                _page(HTTPStatus.OK, "Several providers: choose one."),
                *FAILED,
            ],
            handlers.login,
            tag=TAG,
            parameters=(
                RETURN_TO,
                Parameter("provider", "query", "Name of the identity provider, where there are several."),
                Parameter("prompt", "query", "`login`: ask again although signed in; from a page of this hub only."),
            ),
            problems=(421, 431),
            is_public=True,
        ),
        Route(
            "GET",
            "/auth/callback",
            "Finish a log-in: where the identity provider sends the browser back to.",
            [
                Answer(HTTPStatus.SEE_OTHER, "Signed in.", headers=("Location", "Set-Cookie")),
                *FAILED,
            ],
            handlers.callback,
            tag=TAG,
            parameters=tuple(
                Parameter(name, "query", says)
                for name, says in (
                    ("state", "Names the log-in."),
                    ("code", "To be exchanged for tokens."),
                    ("iss", "Who answers (RFC 9207)."),
                    ("error", "Why there is no code."),
                )
            ),
            problems=(421, 431),
            is_public=True,
        ),
    ]


NOWHERE = _page(HTTPStatus.NOT_FOUND, "Not at this address of the hub, or no such app.")


def _handover_routes(handlers: HandoverHandlers) -> list[Route]:
    state = Parameter("state", "query", "Names the visit; the app's host keeps it in a sealed cookie.", required=True)
    return [
        Route(
            "GET",
            HANDOVER_PATH,
            "Where the host of an app sends a browser: back to it with a one-time code.",
            [
                Answer(HTTPStatus.SEE_OTHER, "Back to the app's host, with a code.", headers=("Location",)),
                Answer(HTTPStatus.FOUND, "Not signed in: to the log-in first.", headers=("Location",)),
                NOWHERE,
                *FAILED,
            ],
            handlers.handover,
            tag=TAG,
            parameters=(Parameter("app", "query", "Name of the app.", required=True), state),
            problems=(421, 431),
            is_public=True,
        ),
        Route(
            "GET",
            ENTER_PATH,
            "At an app's own host: takes the code and sets the cookie of this host.",
            [
                Answer(HTTPStatus.SEE_OTHER, "Signed in at this app.", headers=("Location", "Set-Cookie")),
                NOWHERE,
                *FAILED,
            ],
            handlers.enter,
            tag=TAG,
            parameters=(Parameter("code", "query", "The code, good for 30 s and one use.", required=True), state),
            problems=(421, 431),
            is_public=True,
        ),
    ]


def backchannel_route(handler: Handler) -> Route:
    """What identity providers call."""
    said = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    token = {"type": "object", "properties": {"logout_token": {"type": "string"}}, "required": ["logout_token"]}
    return Route(
        "POST",
        "/auth/backchannel",
        "A provider ends sessions (OpenID Connect Back-Channel Logout 1.0).",
        [
            Answer(HTTPStatus.OK, "They are over."),
            Answer(HTTPStatus.BAD_REQUEST, "No logout token that counts.", "application/json", said),
        ],
        handler,
        tag=TAG,
        bodies={FORM: token},
        problems=(421, 429, 431, 503),
        is_public=True,
    )


def _logout_routes(handlers: LogOutHandlers) -> list[Route]:
    return [
        Route(
            "GET",
            "/auth/signed-out",
            "The page one ends up at: why the session is over, and the way back in.",
            [_page(HTTPStatus.OK, "The page.")],
            handlers.signed_out,
            tag=TAG,
            parameters=(Parameter("reason", "query", "Why, as in `ended`."), RETURN_TO),
            problems=(421, 431),
            is_public=True,
        ),
        Route(
            "POST",
            "/auth/logout",
            "End this session, or all sessions of the user.",
            [
                Answer(HTTPStatus.NO_CONTENT, "It is over.", headers=("Set-Cookie",)),
                Answer(HTTPStatus.SEE_OTHER, "For a form: on to the provider.", headers=("Location", "Set-Cookie")),
            ],
            handlers.logout,
            tag=TAG,
            parameters=(
                Parameter("everywhere", "query", "`1`: all sessions of the user."),
                Parameter("X-Hub-CSRF", "header", "`1`; a form carries the field `csrf` instead."),
            ),
            bodies={FORM: _FORM_SCHEMA},
            body_required=False,
            problems=(401, 403, 413, 421, 429, 431, 503),
        ),
    ]
