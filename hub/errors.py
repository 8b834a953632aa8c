"""The error tree: every refusal the hub can give, with its code, HTTP status and meaning.

An error carries facts, never prose about internals: text is made last, where an answer is written
(``to_problem``). What is raised here may be shown to any caller, so no fact may hold a secret, an
address of the store or a document the caller may not read.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar, TypeAlias

Facts: TypeAlias = dict[str, Any]


class ConfigurationError(Exception):
    """The hub cannot start as configured. One clear line for a person; the command line exits with 2."""


class HubError(Exception):
    """A refusal with a stable ``code``. ``facts`` become members of the problem (RFC 9457 §3.2)."""

    code: ClassVar[str] = "internal"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Something went wrong in the hub"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts: Facts = facts

    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to this refusal."""
        seconds = self.facts.get("retry_after_seconds")
        return {"Retry-After": str(max(1, round(seconds)))} if seconds is not None else {}

    def to_problem(self) -> Facts:
        """The members of ``application/problem+json``, without ``request_id``."""
        return {
            "type": f"urn:hub:problem:{self.code}",
            "title": self.title,
            "status": int(self.status),
            "detail": self.detail,
            "code": self.code,
            "retryable": self.retryable,
            **self.facts,
        }


class Malformed(HubError):
    """Not JSON, not I-JSON, not a patch, or a bad header or parameter."""

    code, status, title = "malformed", HTTPStatus.BAD_REQUEST, "The request cannot be read"


class Unauthenticated(HubError):
    """No credential, or one that names nothing the hub knows."""

    code, status, title = "unauthenticated", HTTPStatus.UNAUTHORIZED, "Who is calling is not known"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="hub"'}


class _Over(HubError):
    """A session is over: which one, and what whoever ended it ``said`` to its tabs. Neither is shown in the problem."""

    def __init__(self, detail: str = "", *, sid: str = "", said: str = "", **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.sid, self.said = sid, said


class OwnSessionEnded(_Over):
    """The caller's own session is over: facts ``reason`` and ``ended_at``."""

    code, status, title = "session_ended", HTTPStatus.UNAUTHORIZED, "Your session is over"

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="hub", error="invalid_token"'}


class Forbidden(HubError):
    """Known, but not granted: fact ``sections`` where sections were the matter."""

    code, status, title = "forbidden", HTTPStatus.FORBIDDEN, "This is not granted to the caller"


class CsrfRefused(HubError):
    """A cookie alone is no proof that the user meant this (identity: CSRF rules)."""

    code, status, title = "csrf", HTTPStatus.FORBIDDEN, "The request did not prove where it came from"


class SessionNotFound(HubError):
    """No such session, or none that the caller may know of."""

    code, status, title = "session_not_found", HTTPStatus.NOT_FOUND, "There is no such session here"


class NotFound(HubError):
    """No such route."""

    code, status, title = "not_found", HTTPStatus.NOT_FOUND, "There is nothing here"


class MethodNotAllowed(HubError):
    """The route exists, the method does not: fact ``allowed``, a list of methods."""

    code, status, title = "method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "This method is not allowed here"

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.facts.get("allowed", []))}


class PatchConflict(HubError):
    """A JSON Patch cannot apply to the document, or its ``test`` failed."""

    code, status, title = "patch_conflict", HTTPStatus.CONFLICT, "The patch does not fit the document"


class Contention(HubError):
    """Others committed first, again and again, for two seconds."""

    code, status, title = "contention", HTTPStatus.CONFLICT, "Too many others are changing this session"
    retryable = True


class SessionEnded(_Over):
    """The addressed session is over: facts ``reason`` and ``ended_at``."""

    code, status, title = "session_ended", HTTPStatus.GONE, "This session is over"


class Compacted(HubError):
    """History does not reach back to the position that was asked for."""

    code, status, title = "compacted", HTTPStatus.GONE, "The history no longer reaches back that far"


class PositionMismatch(HubError):
    """The session moved on: facts ``current`` and ``changed_sections``. Read it, and decide again."""

    code, status, title = "position_mismatch", HTTPStatus.PRECONDITION_FAILED, "The session has moved on"
    retryable = True


class TooLarge(HubError):
    """Body, section or document over its limit: fact ``limit_bytes``."""

    code, status, title = "too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This is too large"


class UnsupportedMediaType(HubError):
    """Not a media type this route accepts: fact ``accepted``."""

    code, status, title = "unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "This media type is not accepted"

    def headers(self) -> dict[str, str]:
        return {"Accept-Patch": ", ".join(self.facts["accept_patch"])} if "accept_patch" in self.facts else {}


class UnknownHost(HubError):
    """``Host`` is none of ours."""

    code, status, title = "unknown_host", HTTPStatus.MISDIRECTED_REQUEST, "This host is not served here"


class UnknownSection(HubError):
    """A section that no configuration names: fact ``errors``, a list of pointer and message."""

    code, status, title = "unknown_section", HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such section"


class SchemaViolation(HubError):
    """The result does not fit a section's schema: fact ``errors``, a list of pointer and message."""

    code, status, title = "schema_violation", HTTPStatus.UNPROCESSABLE_ENTITY, "The result does not fit the schema"


class IdempotencyMismatch(HubError):
    """The key was used before with another body."""

    code, status, title = "idempotency_mismatch", HTTPStatus.UNPROCESSABLE_ENTITY, "This key belongs to another request"


class UpgradeRequired(HubError):
    """The live endpoint speaks WebSocket only."""

    code, status, title = "upgrade_required", HTTPStatus.UPGRADE_REQUIRED, "This endpoint needs a WebSocket upgrade"

    def headers(self) -> dict[str, str]:
        return {"Upgrade": "websocket", "Connection": "Upgrade"}


class PreconditionRequired(HubError):
    """Replacing a section whole needs ``If-Match``."""

    code, status, title = "precondition_required", HTTPStatus.PRECONDITION_REQUIRED, "This needs If-Match"


class RateLimited(HubError):
    """Too many, for now: fact ``retry_after_seconds``."""

    code, status, title = "rate_limited", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests for now"
    retryable = True


class HeadersTooLarge(HubError):
    """Header section, or request target, over 16 KiB."""

    code, status, title = "headers_too_large", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large"


class UpstreamFailed(HubError):
    """An app's server broke off or answered what is no HTTP."""

    code, status, title = "upstream_failed", HTTPStatus.BAD_GATEWAY, "The app did not answer properly"
    retryable = True


class UpstreamTimeout(HubError):
    """An app's server took too long."""

    code, status, title = "upstream_timeout", HTTPStatus.GATEWAY_TIMEOUT, "The app took too long to answer"
    retryable = True


class Unavailable(HubError):
    """Not now, through no fault of the caller; the session is untouched. Always with ``Retry-After``."""

    status: ClassVar[HTTPStatus] = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True
    default_retry_seconds: ClassVar[int] = 2

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail, **{"retry_after_seconds": self.default_retry_seconds, **facts})


class ReadOnly(Unavailable):
    """The store can be read, not written."""

    code, title = "read_only", "The hub is read-only for the moment"


class Maintenance(Unavailable):
    """The store cannot be reached."""

    code, title = "maintenance", "The hub cannot reach its store for the moment"


class Unconfirmed(Unavailable):
    """The outcome is not known, or not yet as durable as configured. Safe to retry with the same key."""

    code, title = "unconfirmed", "The outcome could not be confirmed in time"


class Overloaded(Unavailable):
    """Shed before memory is at risk."""

    code, title = "overloaded", "The hub has too much to do for the moment"


class UpstreamUnavailable(Unavailable):
    """An app's server cannot be reached, or its breaker is open."""

    code, title = "upstream_unavailable", "The app is not available for the moment"


class ProviderUnavailable(Unavailable):
    """The identity provider cannot be reached; existing sessions live on."""

    code, title = "upstream_unavailable", "The identity provider does not answer for the moment"
    default_retry_seconds = 10
