"""``/openapi.json`` held against the running hub: generated requests, good and bad, for every operation.

No 5xx, no status, media type or body that the document does not describe. Streams are left out: they do not end.
"""

from __future__ import annotations

import os
import re
from typing import Any, cast

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.nodes import SERVICE_KEY, Cluster, Node
from tests.support.tabs import bearer, log_in

pytestmark = [pytest.mark.edge, pytest.mark.timeout(180)]

EXAMPLES = int(os.environ.get("HUB_TEST_EXAMPLES", "12"))
STREAMS = "/v1/sessions/{sid}/events"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def operations(document: dict[str, Any], url: str) -> list[Any]:
    """All operations that end."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    found: list[Any] = [result.ok() for result in cast("Any", schema).get_all_operations()]
    return [operation for operation in found if operation.path != STREAMS]


def hold(operation: Any, headers: dict[str, str]) -> None:
    """Send generated requests of one operation and check each answer."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        response = case.call(headers=headers, allow_redirects=False, timeout=10)
        case.validate_response(response, checks=CHECKS)

    run()


async def test_every_place_in_a_path_is_described(node: Node) -> None:
    """What stands in braces is a parameter, and what is a path parameter stands in braces."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), (method, path)


@pytest.mark.parametrize("caller", ["service", "user"])
async def test_every_answer_is_documented_and_none_is_a_5xx(hub_cluster: Cluster, node: Node, caller: str) -> None:
    """With a service's key and with a user's token, a fresh session for each operation."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        document = (await client.get("/openapi.json")).json()
    found = operations(document, node.url)
    assert len(found) > 15
    for operation in found:
        opened = await log_in(hub_cluster, node, "generated")
        hold(operation, bearer(SERVICE_KEY if caller == "service" else opened.token))


async def test_bodies_and_sids_that_exist_are_held_too(hub_cluster: Cluster, node: Node) -> None:
    """The operations on one live session, with its sid in the path: what generation alone would rarely meet."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        document = (await client.get("/openapi.json")).json()
    names = [name for name in document["paths"] if "{sid}" in name and name != STREAMS]
    opened = await log_in(hub_cluster, node, "generated")
    for name in names:
        paths = {name.replace("{sid}", "me").replace("{section}", "cart"): document["paths"][name]}
        for operation in operations(document | {"paths": _without_path_parameters(paths)}, node.url):
            if operation.method.upper() != "DELETE" or "cart" in operation.path:
                hold(operation, bearer(opened.token))


def _without_path_parameters(paths: dict[str, Any]) -> dict[str, Any]:
    return {
        path: {
            method: {**said, "parameters": [each for each in said.get("parameters", []) if each["in"] != "path"]}
            for method, said in methods.items()
        }
        for path, methods in paths.items()
    }


async def test_the_document_describes_every_route_of_the_contract(node: Node) -> None:
    """All calls of the sessions and documents, with operation ids that are unique."""
    async with httpx.AsyncClient(base_url=node.url) as client:
        answer = await client.get("/openapi.json")
    document = answer.json()
    session, user = "/v1/sessions/{sid}", "/v1/users/{user}/sessions"
    expected = {
        "/v1/sessions": {"get", "post"},
        session: {"get", "delete"},
        f"{session}/document": {"get", "patch"},
        f"{session}/document/{{section}}": {"put", "delete"},
        f"{session}/changes": {"get"},
        f"{session}/live": {"get"},
        f"{session}/events": {"get"},
        "/v1/sessions/me/tickets": {"post"},
        user: {"get", "delete"},
        "/healthz": {"get"},
        "/readyz": {"get"},
        "/.well-known/jwks.json": {"get"},
    }
    for path, methods in expected.items():
        assert methods <= document["paths"][path].keys(), path
    ids = [said["operationId"] for methods in document["paths"].values() for said in methods.values()]
    assert len(ids) == len(set(ids))
