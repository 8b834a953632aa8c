"""Documents and changes: ``/v1/sessions/{sid}/document…`` and ``/changes``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from hub.api import answers, reading
from hub.api.callers import Callers, user_or_operator
from hub.api.edge import request_id_of
from hub.core import patch as patches
from hub.core.access import not_readable
from hub.core.json import loads
from hub.core.limits import MAX_CHANGES
from hub.core.masking import Masks
from hub.core.patch import Patch
from hub.core.position import Position
from hub.core.principal import Principal
from hub.errors import Forbidden, Malformed, PreconditionRequired
from hub.sessions.commit import Intent
from hub.sessions.sessions import Sessions, visible_part

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Documents:
    """Handlers. Grants and refusals are the use cases' business; here requests are read and answered."""

    def __init__(self, sessions: Sessions, callers: Callers, masks: Masks) -> None:
        self._sessions, self._callers, self._masks = sessions, callers, masks

    async def read(self, request: Request) -> Response:
        """``GET …/document``."""
        sid, position = request.path_params["sid"], _position(request)
        principal = await user_or_operator(self._callers, request.scope, sid, is_for_operators=position is not None)
        if position is not None and principal.kind != "operator":
            raise Forbidden("Past positions are for operators")
        only = reading.names(request, "sections")
        if only is not None:
            self._check_named(principal, only)
        session = await self._sessions.live(principal, sid)
        at = position or session.position
        headers = {"ETag": answers.entity_tag(at)}
        tags = reading.none_match(request)
        if "*" in tags or str(at) in tags:
            return answers.nothing(304, headers)
        if principal.kind != "operator":
            return answers.json(visible_part(session, principal.view, only), headers=headers)
        document = await self._sessions.document_at(session, position) if position else session.document
        shown = {name: value for name, value in document.items() if only is None or name in only}
        return answers.json(self._masks.view_of(session.sid).of_document(shown), headers=headers)

    def _check_named(self, principal: Principal, only: list[str]) -> None:
        self._sessions.sections.check_known(only)
        if principal.kind != "operator" and (refused := not_readable(principal.grants, only)):
            raise Forbidden("These sections are not granted", sections=refused)

    async def patch(self, request: Request) -> Response:
        """``PATCH …/document``."""
        principal = await self._callers.identify(request.scope)
        kind = reading.media_type(request, [MERGE_PATCH, JSON_PATCH], is_patch=True)
        raw = await reading.body_of(request)
        value = loads(raw)
        patch = patches.merge_patch(value) if kind == MERGE_PATCH else patches.json_patch(value)
        position = reading.if_match(request)
        return await self._commit(request, principal, patch, kind.encode() + b"\n" + raw, position)

    async def replace(self, request: Request) -> Response:
        """``PUT …/document/{section}``."""
        principal = await self._callers.identify(request.scope)
        reading.media_type(request, ["application/json"])
        raw = await reading.body_of(request)
        value, section = loads(raw), request.path_params["section"]
        if "if-match" not in request.headers:
            raise PreconditionRequired("Replacing a section whole needs If-Match with a position")
        position = reading.if_match(request)
        patch = patches.replace_section(section, value)
        body = b"put\n" + section.encode() + b"\n" + raw
        return await self._commit(request, principal, patch, body, position)

    async def remove(self, request: Request) -> Response:
        """``DELETE …/document/{section}``."""
        principal = await self._callers.identify(request.scope)
        section = request.path_params["section"]
        patch, position = patches.remove_section(section), reading.if_match(request)
        return await self._commit(request, principal, patch, b"delete\n" + section.encode(), position)

    async def _commit(
        self,
        request: Request,
        principal: Principal,
        patch: Patch,
        body: bytes,
        if_position: Position | None,
    ) -> Response:
        intent = Intent(
            patch=patch,
            body=body,
            request_id=request_id_of(request.scope),
            if_position=if_position,
            key=reading.idempotency_key(request),
        )
        preference = reading.preference(request)
        done = await self._sessions.commit(principal, request.path_params["sid"], intent)
        return answers.committed(done, preference)

    async def changes(self, request: Request) -> Response:
        """``GET …/changes?since=``."""
        sid = request.path_params["sid"]
        principal = await user_or_operator(self._callers, request.scope, sid)
        if "since" not in request.query_params:
            raise Malformed("since is needed: the position to continue from")
        since = reading.position(request.query_params["since"], "since")
        most = reading.limit(request, MAX_CHANGES, MAX_CHANGES)
        session, found = await self._sessions.changes(principal, sid, since, most)
        if principal.kind == "operator":
            view = self._masks.view_of(session.sid)
            shown = [answers.whole_change(change, view) for change in found]
        else:
            shown = [answers.change(change, principal.view) for change in found]
        return answers.json(
            {"from": str(since), "to": str(found[-1].position if found else since), "changes": shown},
            headers={"ETag": answers.entity_tag(session.position)},
        )


def _position(request: Request) -> Position | None:
    text = request.query_params.get("position")
    return None if text is None else reading.position(text, "position")
