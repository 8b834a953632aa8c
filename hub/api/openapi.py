"""The OpenAPI document (3.1), made from the same table as the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from hub.api.problems import MEDIA_TYPE
from hub.api.routes import Answer, Route
from hub.api.schemas import COMPONENTS, STRING, ref

_CONVERTER = re.compile(r":[a-z]+}")


def describe(routes: Iterable[Route], version: str, server: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = _CONVERTER.sub("}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Live-session hub",
            "version": version,
            "description": "One authoritative JSON document per user session, live in every app and tab.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": name} for name in ("sessions", "documents", "live", "log-in", "operation", "pages")],
        "paths": paths,
        "components": {"schemas": COMPONENTS, "securitySchemes": _schemes()},
        "security": [{"bearer": []}, {"cookie": []}],
    }


def _schemes() -> dict[str, Any]:
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A session token, service key or context token; to open a session, a token of the IdP.",
        },
        "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-hub"},
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "tags": [route.tag],
        "summary": route.says,
        "parameters": [
            {
                "name": each.name,
                "in": each.place,
                "description": each.says,
                "required": each.required,
                "schema": dict(each.schema),
            }
            for each in route.parameters
        ],
        "responses": _responses(route.answers, route.problems),
    }
    if route.bodies:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {name: {"schema": dict(schema)} for name, schema in route.bodies.items()},
        }
    if route.is_public:
        operation["security"] = []
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _CONVERTER.sub("}", route.path))
    return "_".join([route.method.lower(), *words])


def _responses(answers: Sequence[Answer], problems: Sequence[int]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in answers:
        said: dict[str, Any] = {"description": answer.says}
        if answer.headers:
            said["headers"] = {name: {"schema": STRING} for name in answer.headers}
        if answer.media_type is not None:
            said["content"] = {answer.media_type: {"schema": dict(answer.schema or {})}}
        responses[str(int(answer.status))] = said
    for status in sorted({*problems, 405}):
        responses.setdefault(str(status), _problem(HTTPStatus(status).phrase))
    return responses


def _problem(says: str) -> dict[str, Any]:
    return {"description": says, "content": {MEDIA_TYPE: {"schema": ref("Problem")}}}
