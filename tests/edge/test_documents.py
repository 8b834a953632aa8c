"""Documents: reading, committing, replacing and removing sections over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.answers import good, problem
from tests.support.tabs import JSON_PATCH, MERGE, Opened, merge

pytestmark = pytest.mark.edge

DOCUMENT = "/v1/sessions/me/document"


async def json_patch(client: httpx.AsyncClient, ops: object, **headers: str) -> httpx.Response:
    """``PATCH`` of the own document with a JSON Patch."""
    return await client.patch(DOCUMENT, content=json.dumps(ops), headers={"Content-Type": JSON_PATCH, **headers})


# read


async def test_a_document_shows_what_the_caller_may_see(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient, reader: httpx.AsyncClient
) -> None:
    """The user sees browser sections and ``identity``; a service those of its grants."""
    good(await merge(service, opened.sid, {"secret": {"score": 7}, "shown": {"level": 1}, "profile": {"name": "Ada"}}))
    answer = await user.get(DOCUMENT)
    said = good(answer)
    assert (said["shown"], said["profile"]) == ({"level": 1}, {"name": "Ada"})
    assert said["identity"] == {"name": "Ada", "email": "ada@example.com"}
    assert "secret" not in said
    assert answer.headers["ETag"].startswith('"2.')
    path = f"/v1/sessions/{opened.sid}/document"
    assert good(await reader.get(path)) == {"profile": {"name": "Ada"}}
    assert good(await service.get(path)).keys() == {"profile", "secret", "shown"}


async def test_a_read_can_name_sections(opened: Opened, user: httpx.AsyncClient) -> None:
    """Only those; an unknown one is 422, one that is not granted 403."""
    good(await merge(user, "me", {"profile": {"name": "Ada"}, "cart": {"items": [1]}}))
    assert good(await user.get(f"{DOCUMENT}?sections=cart")) == {"cart": {"items": [1]}}
    assert good(await user.get(f"{DOCUMENT}?sections=cart,profile")).keys() == {"cart", "profile"}
    said = problem(await user.get(f"{DOCUMENT}?sections=cart,nonsense"), 422, "unknown_section")
    assert said["errors"] == [{"pointer": "/nonsense", "message": "no such section"}]
    said = problem(await user.get(f"{DOCUMENT}?sections=cart,secret"), 403, "forbidden")
    assert said["sections"] == ["secret"]


async def test_a_read_of_what_one_has_is_304(opened: Opened, user: httpx.AsyncClient) -> None:
    """Strong, weak, in a list, or any; other tags bring the document."""
    tag = f'"{opened.position}"'
    for value in (tag, f"W/{tag}", f'"9.aaaaaaaa", {tag}', "*"):
        answer = await user.get(DOCUMENT, headers={"If-None-Match": value})
        assert good(answer, 304) is None
        assert answer.headers["ETag"] == tag
    for value in ('"1.00000000"', "nonsense", ""):
        good(await user.get(DOCUMENT, headers={"If-None-Match": value}))


async def test_past_positions_are_for_operators(opened: Opened, user: httpx.AsyncClient) -> None:
    """403 with a good position, 400 with a bad one."""
    problem(await user.get(f"{DOCUMENT}?position={opened.position}"), 403, "forbidden")
    problem(await user.get(f"{DOCUMENT}?position=nonsense"), 400, "malformed")


async def test_head_is_get_without_a_body(user: httpx.AsyncClient) -> None:
    """The same headers."""
    answer = await user.head(DOCUMENT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"]


# commit


async def test_a_merge_patch_is_committed(opened: Opened, user: httpx.AsyncClient) -> None:
    """200 with base, position, ops and ``ETag``; the document shows it."""
    answer = await merge(user, "me", {"profile": {"name": "Ada", "age": 36}})
    said = good(answer)
    assert said.keys() == {"base", "position", "changed", "ops"}
    assert (said["base"], said["changed"]) == (opened.position, True)
    assert said["position"].startswith("2.")
    assert answer.headers["ETag"] == f'"{said["position"]}"'
    assert said["ops"] == [
        {"op": "add", "path": "/profile/name", "value": "Ada"},
        {"op": "add", "path": "/profile/age", "value": 36},
    ]
    assert good(await user.get(DOCUMENT))["profile"] == {"name": "Ada", "age": 36}


async def test_a_json_patch_is_committed_whole_or_not_at_all(user: httpx.AsyncClient) -> None:
    """``test`` guards; a failed one is 409 and changes nothing."""
    add = [
        {"op": "add", "path": "/cart", "value": {"items": []}},
        {"op": "add", "path": "/cart/items/-", "value": "tea"},
    ]
    assert good(await json_patch(user, add))["ops"][1] == {"op": "add", "path": "/cart/items/0", "value": "tea"}
    before = good(await user.get("/v1/sessions/me"))["position"]
    wrong = [{"op": "remove", "path": "/cart/items/0"}, {"op": "test", "path": "/cart/items", "value": ["tea"]}]
    problem(await json_patch(user, wrong), 409, "patch_conflict")
    problem(await json_patch(user, [{"op": "remove", "path": "/cart/nothing"}]), 409, "patch_conflict")
    assert good(await user.get("/v1/sessions/me"))["position"] == before


async def test_a_patch_that_changes_nothing_makes_no_revision(opened: Opened, user: httpx.AsyncClient) -> None:
    """``changed: false``, base is position, no ops."""
    for answer in (
        await merge(user, "me", {}),
        await merge(user, "me", {"profile": {}}),
        await merge(user, "me", {"cart": None}),
        await json_patch(user, []),
        await json_patch(user, [{"op": "replace", "path": "/profile", "value": {}}]),
    ):
        said = good(answer)
        assert said == {"base": opened.position, "position": opened.position, "changed": False, "ops": []}


async def test_put_replaces_a_section_and_delete_removes_it(opened: Opened, user: httpx.AsyncClient) -> None:
    """PUT needs ``If-Match``; both answer like a commit."""
    path = f"{DOCUMENT}/cart"
    problem(await user.put(path, json={"items": [1]}), 428, "precondition_required")
    said = good(await user.put(path, json={"items": [1]}, headers={"If-Match": f'"{opened.position}"'}))
    assert said["ops"] == [{"op": "add", "path": "/cart", "value": {"items": [1]}}]
    problem(await user.put(path, json={}, headers={"If-Match": f'"{opened.position}"'}), 412, "position_mismatch")
    said = good(await user.put(path, json=[1, None], headers={"If-Match": f'W/"{said["position"]}"'}))
    assert good(await user.get(DOCUMENT))["cart"] == [1, None]
    answer = await user.delete(path, headers={"If-Match": f'"{said["position"]}"'})
    assert good(answer)["ops"] == [{"op": "remove", "path": "/cart"}]
    assert good(await user.delete(path))["changed"] is False


async def test_the_caller_chooses_how_much_comes_back(user: httpx.AsyncClient) -> None:
    """``Prefer``: 204 with the tag, or the document as well; anything else is ignored."""
    answer = await merge(user, "me", {"cart": {"a": 1}}, Prefer="return=minimal")
    assert good(answer, 204) is None
    assert answer.headers["ETag"].startswith('"2.')
    assert answer.headers["Preference-Applied"] == "return=minimal"
    said = good(await merge(user, "me", {"cart": {"a": 2}}, Prefer='respond-async, return="representation"; x=1'))
    assert said["document"]["cart"] == {"a": 2}
    assert "secret" not in said["document"]
    for value in ("return=everything", "", ";;,,==", "wait=10"):
        assert "document" not in good(await merge(user, "me", {"cart": {"a": 3}}, Prefer=value))


# If-Match


async def test_a_commit_on_another_position_is_412_and_says_what_changed(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """``current`` position, and of the changed sections only those the caller may see."""
    good(await merge(service, opened.sid, {"secret": {"x": 1}}))
    now = good(await merge(service, opened.sid, {"shown": {"x": 1}}))["position"]
    answer = await merge(user, "me", {"cart": {}}, **{"If-Match": f'"{opened.position}"'})
    said = problem(answer, 412, "position_mismatch")
    assert (said["current"], said["changed_sections"]) == (now, ["shown"])
    good(await merge(user, "me", {"cart": {}}, **{"If-Match": f'W/"{now}"'}))
    good(await merge(user, "me", {"cart": {"y": 1}}, **{"If-Match": "*"}))


@pytest.mark.parametrize(
    "value",
    [
        "1.abcdef00",
        '"1.abc"',
        '"0.abcdef00"',
        '"-1.abcdef00"',
        '"1.ABCDEF00"',
        '"1.abcdef00", "2.abcdef00"',
        "",
        '"99999999999999999999.abcdef00"',
        'w/"1.abcdef00"',
        '"*"',
        '"01.abcdef00"',
        '"１.abcdef00"'.encode().decode("latin-1"),
    ],
)
async def test_a_malformed_if_match_is_400(user: httpx.AsyncClient, value: str) -> None:
    """On every method that commits."""
    headers = [(b"If-Match", value.encode("latin-1"))]
    answers = (
        await user.patch(DOCUMENT, content=b"{}", headers=[*headers, (b"Content-Type", MERGE.encode())]),
        await user.put(f"{DOCUMENT}/cart", json={}, headers=headers),
        await user.delete(f"{DOCUMENT}/cart", headers=headers),
    )
    for answer in answers:
        problem(answer, 400, "malformed")


# rights


async def test_what_is_not_granted_is_403_and_named(
    opened: Opened, user: httpx.AsyncClient, reader: httpx.AsyncClient, service: httpx.AsyncClient
) -> None:
    """Read-only, unseen and hub-written sections; nothing of the commit is done."""
    said = problem(
        await merge(user, "me", {"shown": {}, "secret": {}, "cart": {"x": 1}, "identity": {}}), 403, "forbidden"
    )
    assert said["sections"] == ["identity", "secret", "shown"]
    problem(await merge(reader, opened.sid, {"profile": {"name": "Eve"}}), 403, "forbidden")
    problem(await merge(service, opened.sid, {"identity": {"name": "Eve"}}), 403, "forbidden")
    problem(await user.delete(f"{DOCUMENT}/secret"), 403, "forbidden")
    problem(await user.put(f"{DOCUMENT}/shown", json=1, headers={"If-Match": "*"}), 403, "forbidden")
    assert good(await user.get("/v1/sessions/me"))["position"] == opened.position


@pytest.mark.parametrize(
    "ops",
    [
        [{"op": "copy", "from": "/secret", "path": "/cart"}],
        [{"op": "move", "from": "/secret/x", "path": "/cart/x"}],
        [{"op": "test", "path": "/secret", "value": {"x": 1}}],
        [{"op": "test", "path": "/secret/x", "value": 2}],
        [{"op": "copy", "from": "/secret/list/0", "path": "/profile/x"}],
        [{"op": "move", "from": "/shown", "path": "/profile/x"}],
    ],
)
async def test_sources_of_a_patch_need_their_rights(
    opened: Opened, user: httpx.AsyncClient, service: httpx.AsyncClient, ops: object
) -> None:
    """``from`` and ``test`` cannot be used to look into what one may not see, or to take from it."""
    good(await merge(service, opened.sid, {"secret": {"x": 1, "list": [1]}, "shown": {"y": 1}}))
    problem(await json_patch(user, ops), 403, "forbidden")


async def test_an_unknown_section_is_422(user: httpx.AsyncClient) -> None:
    """In a merge patch, a JSON Patch, and a path."""
    for answer in (
        await merge(user, "me", {"nonsense": {}, "cart": {}}),
        await json_patch(user, [{"op": "add", "path": "/nonsense", "value": 1}]),
        await json_patch(user, [{"op": "add", "path": "/~1", "value": 1}]),
        await user.put(f"{DOCUMENT}/nonsense", json=1, headers={"If-Match": "*"}),
        await user.delete(f"{DOCUMENT}/nonsense"),
        await user.delete(f"{DOCUMENT}/__proto__"),
    ):
        said = problem(answer, 422, "unknown_section")
        assert {"pointer", "message"} == said["errors"][0].keys()


async def test_what_does_not_fit_the_schema_is_422(user: httpx.AsyncClient) -> None:
    """The pointer says where."""
    said = problem(await merge(user, "me", {"preferences": {"theme": "pink", "size": 0}}), 422, "schema_violation")
    assert {each["pointer"] for each in said["errors"]} == {"/preferences/theme", "/preferences/size"}
    good(await merge(user, "me", {"preferences": {"theme": "dark", "size": 3}}))


async def test_sections_and_documents_have_a_size(user: httpx.AsyncClient) -> None:
    """413 with the limit that counts."""
    said = problem(await merge(user, "me", {"cart": {"note": "x" * 5000}}), 413, "too_large")
    assert said["limit_bytes"] == 4096
    said = problem(await merge(user, "me", {"profile": {"note": "x" * 300_000}}), 413, "too_large")
    assert said["limit_bytes"] == 262_144
    said = problem(await merge(user, "me", {"profile": {"note": "x" * 1_100_000}}), 413, "too_large")
    assert said["limit_bytes"] == 1_048_576
