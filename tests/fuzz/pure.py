"""Targets that are functions: documents and patches, messages, positions, paths."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin, urlsplit

from hypothesis import strategies as st

from hub.core import asked, pointer
from hub.core.access import View
from hub.core.document import apply
from hub.core.json import Json, dumps, loads
from hub.core.patch import json_patch, merge_patch
from hub.core.position import Position
from hub.errors import HubError
from hub.identity.return_to import safe_return_to
from hub.live.opening import parse_wish
from hub.protocol import messages
from hub.protocol.conversation import Close, Conversation, Phase
from hub.proxy.forwarded import Peers
from hub.proxy.headers import check_framing, normalised, to_client, to_upstream
from tests.core import references
from tests.core.strategies import comparable, documents, operations, paths, values
from tests.fuzz.inputs import json_like, members, mutated, wild
from tests.fuzz.targets import Target, refusals

MOST_BYTES = 65_536
COMMIT_ID = "a-commit-id-of-16"
DOCUMENT: dict[str, Any] = {"a": {"x": [1, 2, {"y": None}], "c/d": "é"}, "b": 1.5, "": {}, "0": [[]]}
POSITION = "42.9f3a1c02"


def _merges(raw: bytes) -> None:
    """The result is that of RFC 7396, the ops lead to it, and the document is left alone."""
    with refusals():
        patch = merge_patch(loads(raw))
        before = json.dumps(DOCUMENT)
        result = apply(DOCUMENT, patch.ops_for(DOCUMENT, MOST_BYTES))
        assert json.dumps(DOCUMENT) == before
        assert comparable(result) == comparable(references.merged(DOCUMENT, loads(raw)))
        assert {name for name in result if result[name] != DOCUMENT.get(name)} <= patch.names


def _patches(raw: bytes) -> None:
    """The same for RFC 6902; what is refused leaves no trace."""
    before = json.dumps(DOCUMENT)
    with refusals():
        asks = loads(raw)
        patch = json_patch(asks)
        result = apply(DOCUMENT, patch.ops_for(DOCUMENT, MOST_BYTES))
        assert comparable(result) == comparable(references.patched(DOCUMENT, asks))
    assert json.dumps(DOCUMENT) == before


def _asks(raw: bytes) -> None:
    """How a commit is asked for, wherever it comes from."""
    with refusals():
        value = loads(raw)
        if isinstance(value, dict):
            asked.patch_of(value)
            asked.if_position_of(value)


def _reads_a_frame(frame: str | bytes) -> None:
    """A frame is a message or ``Malformed``; what is accepted can be read again from its own text."""
    with refusals():
        message = messages.parse(frame)
        if isinstance(message, messages.CommitRequest):
            assert messages.parse(message.text) == message


def _converses(frames: list[bytes]) -> None:
    """Whatever a tab sends, the conversation answers, or closes once and says no more."""
    conversation, closed = Conversation(View.of({"a": "write"})), False
    conversation.on_opened(None, None)
    for frame in frames:
        actions = conversation.on_frame(frame)
        assert not (closed and actions)
        closed |= any(isinstance(action, Close) for action in actions)
        assert closed == (conversation.phase is Phase.OVER)


def _reads_json(raw: bytes) -> None:
    """What is read can be written, and read again as the same."""
    with refusals():
        value = loads(raw)
        assert comparable(loads(dumps(value))) == comparable(value)


def _reads_a_position(text: str) -> None:
    """One spelling for each."""
    try:
        found = Position.parse(text)
    except ValueError:
        return
    assert str(found) == text


def _reads_a_pointer(text: Json) -> None:
    """Tokens and back."""
    with refusals():
        tokens = pointer.parse(text)
        assert pointer.join(tokens) == text


def _reads_a_wish(given: tuple[bytes, str | None]) -> None:
    """Query string and ``Last-Event-ID`` of a live connection."""
    with refusals():
        parse_wish(*given)


def _leads_home(wanted: str | None) -> None:
    """A path of this origin, however it is joined, and the same if it is judged again."""
    found = safe_return_to(wanted)
    assert found.startswith("/")
    assert found.isascii()
    assert found.isprintable()
    assert not found.startswith(("//", "/\\"))
    there = urlsplit(urljoin("https://hub.example.com/auth/login", found))
    assert (there.scheme, there.netloc) == ("https", "hub.example.com")
    assert safe_return_to(found) == found


def _is_own(name: str) -> bool:
    return name.lower().removeprefix("__host-") == "hub"


def _passes_on(headers: list[tuple[bytes, bytes]]) -> None:
    """Nothing that could pass for the hub's own word crosses the gateway, in either direction."""
    headers = [(name.lower(), value) for name, value in headers]
    with refusals():
        check_framing(headers)
    for name, value in to_upstream(headers, _is_own):
        assert not normalised(name).startswith(("x-hub-", "x-forwarded-"))
        assert name != b"authorization" or not value.strip().lower().startswith(b"bearer hub_")
    try:
        answer = to_client(headers, _is_own)
    except HubError as error:
        if error.code != "upstream_failed":
            raise
        return
    assert not any(b"\n" in value or b"\r" in value for _, value in answer)


def _knows_where_from(given: tuple[str, list[tuple[bytes, bytes]]]) -> None:
    """What is forwarded about an origin is always writable, and untrusted peers are nobody but themselves."""
    peer, headers = given
    scope = {"client": (peer, 1), "scheme": "http", "headers": headers}
    for peers in (Peers(), Peers(["10.0.0.0/8", "::1/128"])):
        origin = peers.origin_of(scope)
        assert all(b"\n" not in value and b"\r" not in value for _, value in origin.headers())
        assert peer.startswith("10.") or peer == "::1" or origin.address == peer


_header_names = st.sampled_from(
    [b"x-hub-user", b"X_Hub_Session", b"x-forwarded-for", b"forwarded", b"connection", b"cookie", b"authorization",
    b"set-cookie",
     b"sec-websocket-protocol", b"content-length", b"transfer-encoding", b"host", b"x-other", b"upgrade", b"te",
     b"origin"]
) | st.binary(min_size=1, max_size=12)  # fmt: skip
_header_values = st.binary(max_size=40) | mutated(
    [b"hub=abc; other=1; __Host-hub=x", b"Bearer hub_st_abc.def", b"close, x-hub-user", b"10.0.0.1, 1.2.3.4",
    b"chunked", b"12",
     b"for=1.2.3.4;proto=https", b"hub.v1, hub.ticket.abc", b"[::1]:8000", b"__Host-hub=x; Path=/"]
)  # fmt: skip
_forwarded_names = st.sampled_from(
    [b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"host"]
)
_commits = [
    {"type": "commit", "id": COMMIT_ID, "patch": {"a": {"b": 1}}, "if_position": POSITION},
    {"type": "commit", "id": COMMIT_ID, "ops": [{"op": "add", "path": "/a/b", "value": 1}]},
    {"type": "ping"},
    {"type": "activity"},
]
_frames = json_like(*_commits) | members(
    {
        "type": st.sampled_from(["commit", "ping", "activity", "x"]),
        "id": st.just(COMMIT_ID),
        "patch": documents,
        "ops": st.lists(operations(DOCUMENT), max_size=4),
        "if_position": st.just(POSITION),
    }
).map(lambda value: json.dumps(value).encode())
_urls = [b"/apps/a?x=1#y", b"//evil.example", b"/\\evil", b"https://evil.example/", b"/%2f%2fevil", b"/a/../b",
         b"\t//evil", b"/a%5c",
         b"javascript:alert(1)", b"/%09/evil", b"/.%2e/x", b"/auth/login", b"/%61uth/logout", b"/a;b=c"]  # fmt: skip

TARGETS = [
    Target("JSON", json_like(DOCUMENT, *_commits), _reads_json),
    Target("merge patch", documents.map(dumps) | json_like(DOCUMENT, {"a": None, "b": {"x": []}}), _merges),
    Target(
        "JSON Patch",
        st.lists(operations(DOCUMENT), max_size=6).map(dumps)
        | json_like([{"op": "move", "from": "/a", "path": "/b"}, {"op": "test", "path": "/a/x/0", "value": 1}])
        | st.lists(
            members({"op": st.sampled_from(["add", "copy"]), "path": paths, "from": paths, "value": values})
        ).map(lambda value: json.dumps(value).encode()),
        _patches,
    ),
    Target("commit", _frames, _asks),
    Target(
        "frame",
        _frames | _frames.map(lambda raw: raw.decode("utf-8", "surrogateescape")) | wild.map(str),
        _reads_a_frame,
    ),
    Target("conversation", st.lists(_frames, max_size=8), _converses),
    Target(
        "position",
        st.text(max_size=24) | mutated([POSITION.encode()]).map(lambda raw: raw.decode("latin-1")),
        _reads_a_position,
    ),
    Target("pointer", paths | wild | mutated([b"/a~1b/0/-"]).map(lambda raw: raw.decode("latin-1")), _reads_a_pointer),
    Target(
        "live query",
        st.tuples(
            mutated([b"position=42.9f3a1c02&view=aabbccdd&app=a&presence=1", b"position=%34"]),
            st.none() | mutated([b"42.9f3a1c02/aabbccdd"]).map(lambda raw: raw.decode("latin-1")),
        ),
        _reads_a_wish,
    ),
    Target(
        "return_to",
        st.none() | st.text(max_size=40) | mutated(_urls).map(lambda raw: raw.decode("latin-1")),
        _leads_home,
    ),
    Target("gateway headers", st.lists(st.tuples(_header_names, _header_values), max_size=8), _passes_on),
    Target(
        "forwarded",
        st.tuples(
            st.sampled_from(["10.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "unknown", ""]),
            st.lists(st.tuples(_forwarded_names, _header_values), max_size=5),
        ),
        _knows_where_from,
    ),
]
