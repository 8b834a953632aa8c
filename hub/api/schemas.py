"""Shapes of requests and answers, as JSON Schema, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _array(of: Schema) -> Schema:
    return {"type": "array", "items": of}


STRING: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
POSITION: Schema = {"type": "string", "pattern": r"^[1-9][0-9]{0,15}\.[0-9a-f]{8}$", "examples": ["42.9f3a1c02"]}
SID: Schema = {"type": "string", "pattern": "^([0-9a-f]{16}-[A-Za-z0-9_-]{22}|me)$"}

COMPONENTS: dict[str, Schema] = {
    "Problem": _object(
        {
            "type": STRING,
            "title": STRING,
            "status": {"type": "integer"},
            "detail": STRING,
            "code": STRING,
            "retryable": {"type": "boolean"},
            "request_id": STRING,
        },
        ["type", "title", "status", "detail", "code", "retryable", "request_id"],
    ),
    "Session": _object(
        {
            "sid": STRING,
            "user": STRING,
            "provider": STRING,
            "status": {"enum": ["live", "ended"]},
            "position": POSITION,
            "created_at": TIME,
            "expires_at": TIME,
            "idle_expires_at": TIME,
            "connections": {"type": "integer", "minimum": 0},
            "ended_at": TIME,
            "reason": {"enum": ["revoked", "logged_out", "expired", "idle", "replaced"]},
        },
        ["sid", "user", "provider", "status", "position", "created_at", "expires_at", "connections"],
    ),
    "OpenedSession": _object(
        {
            "sid": STRING,
            "token": STRING,
            "user": STRING,
            "position": POSITION,
            "expires_at": TIME,
            "idle_expires_at": TIME,
        },
        ["sid", "token", "user", "position", "expires_at", "idle_expires_at"],
    ),
    "Sessions": _object({"sessions": _array(ref("Session")), "next": STRING}, ["sessions"]),
    "Document": {
        "type": "object",
        "description": "The visible sections, by name.",
        "additionalProperties": True,
    },
    "Op": _object({"op": {"enum": ["add", "replace", "remove"]}, "path": STRING, "value": {}}, ["op", "path"]),
    "MergePatch": {
        "type": "object",
        "description": "JSON Merge Patch (RFC 7396) of the document.",
        "additionalProperties": True,
        "examples": [{"profile": {"name": "Ada"}}],
    },
    "JsonPatch": {
        "type": "array",
        "description": "JSON Patch (RFC 6902) of the document.",
        "maxItems": 256,
        "items": _object(
            {
                "op": {"enum": ["add", "remove", "replace", "move", "copy", "test"]},
                "path": STRING,
                "from": STRING,
                "value": {},
            },
            ["op", "path"],
        ),
    },
    "Committed": _object(
        {
            "base": POSITION,
            "position": POSITION,
            "changed": {"type": "boolean"},
            "ops": _array(ref("Op")),
            "document": ref("Document"),
        },
        ["base", "position", "changed"],
    ),
    "Change": _object(
        {
            "base": {"type": ["string", "null"]},
            "position": POSITION,
            "ops": _array(ref("Op")),
            "actor": STRING,
            "at": TIME,
            "request_id": STRING,
            "reason": STRING,
            "revealed": _object({"sections": _array(STRING), "position": POSITION}, ["position"]),
        },
        ["base", "position", "ops", "at"],
    ),
    "Changes": _object({"from": POSITION, "to": POSITION, "changes": _array(ref("Change"))}, ["from", "to", "changes"]),
    "Look": {
        **_object(
            {
                "reason": {"type": "string", "minLength": 3, "maxLength": 500},
                "sections": {"type": "array", "items": STRING, "minItems": 1, "maxItems": 64},
                "position": POSITION,
            },
            ["reason"],
        ),
        "additionalProperties": False,
    },
    "Detail": _object({"detail": {"type": "string", "maxLength": 500}}, []),
    "Ticket": _object({"ticket": STRING, "expires_in": {"type": "integer"}}, ["ticket", "expires_in"]),
    "TicketWish": _object({"app": {"type": ["string", "null"]}}, []),
    "Ended": _object({"ended": {"type": "integer", "minimum": 0}}, ["ended"]),
    "Health": _object({"status": {"const": "ok"}}, ["status"]),
    "Readiness": _object(
        {
            "mode": {"enum": ["live", "read_only", "maintenance"]},
            "store": {"type": "boolean"},
            "feed": {"type": "boolean"},
            "draining": {"type": "boolean"},
        },
        ["mode", "store", "feed", "draining"],
    ),
    "Jwks": _object({"keys": _array({"type": "object"})}, ["keys"]),
}
