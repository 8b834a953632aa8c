"""The life of the key ring: every key can be replaced while everybody works, and none can be lost too early."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from tests.security.house import (
    House,
    app_check,
    at_work,
    check_alive,
    have_more,
    house_of_its_own,
    lists,
    log_out,
    look_twice,
)
from tests.support.answers import good, problem
from tests.support.contexts import context_token
from tests.support.log_ins import begin, browser_log_in, finish, is_live
from tests.support.nodes import SERVICE_KEY, sha256
from tests.support.security_log import SecurityLog
from tests.support.tabs import as_service, as_user, bearer, log_in, merge, open_tab, resume_tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.edge

SESSIONS = 6


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One for all tests of this file."""
    with house_of_its_own() as made:
        yield made


async def test_47_a_new_master_key_takes_over_and_no_session_is_lost(house: House) -> None:
    """Add, activate, reseal, drop, with two nodes, sessions, tabs and writers at work: nobody is logged out or misses a
    change, ended sessions still say why, every record is under the new key, and a node that only has that one starts.
    Dropped too early, a key stays where it is."""
    smith, over = house.smith, await log_in(house.cluster, house.nodes[0], "gone")
    await log_out(house.nodes[0], over)
    [first] = smith.states("master")
    async with at_work(house, SESSIONS) as seats:
        assert f"master key {first} is active" in await smith.refused("drop", "master", first)
        _, second = await smith.rotate("master")
        said, count = await smith.refused("drop", "master", first), len(house.sids())
        assert f"it wraps the data keys of {count} sessions (" in said
        done = await smith.good("reseal")
        assert (done["kid"], done["sessions"], done["resealed"]) == (second, count, count)
        assert {house.kid_in(sid, "dek") for sid in house.sids()} == {second}
        late = await log_in(house.cluster, house.nodes[1], "late")
        await smith.good("reseal")  # that node may not have looked at the ring yet
        await smith.good("drop", "master", first)
        assert smith.states("master") == {second: "active"}
        assert (await smith.good("reseal"))["already"] == count + 1, "again changes nothing"
        await eventually(lambda: house.all_have("master", {second: "active"}))
    with_new_one = replace(house, nodes=[*house.nodes, house.cluster.node(**house.settings)])
    for opened in (late, *(seat.opened for seat in seats)):
        await check_alive(with_new_one, opened)
    for node in with_new_one.nodes:
        async with as_user(node, over) as user:
            assert problem(await user.get("/v1/sessions/me"), 401, "session_ended")["reason"] == "logged_out"
    with_new_one.nodes[-1].stop()
    code, _, err = await smith.run("audit", "verify", "--all")
    assert (code, err.strip()) == (0, f"hub: sessions: {count + 1}, all fit")


async def test_47_no_session_is_sealed_away_from_a_node_that_does_not_have_the_key(house: House) -> None:
    """A node with a ring of its own that is brought up to date late: resealing waits for it, and goes on by itself."""
    smith, copy = house.smith, house.cluster.folder / "copy.toml"
    shutil.copy(smith.ring, copy)
    late = replace(house, nodes=[house.cluster.node(**house.settings, HUB_KEYS__FILE=str(copy))])
    opened = await log_in(house.cluster, late.nodes[0], "late")
    made = await smith.good("add", "master")
    new = made["kid"]
    old = (await smith.good("activate", "master", new, "--file", str(smith.ring)))["before"]
    resealing = asyncio.create_task(smith.good("reseal"))
    await asyncio.wait({resealing}, timeout=3)
    await check_alive(late, opened)
    assert house.kid_in(opened.sid, "dek") == old
    smith.copy_to(copy)
    await resealing
    assert house.kid_in(opened.sid, "dek") == new
    await check_alive(late, opened)
    late.nodes[0].stop()


async def test_47_a_new_token_key_logs_nobody_out(house: House) -> None:
    """Tokens from before are good while their key is in the ring. The old key stays while a record, live or over, is
    checked with it."""
    smith = house.smith
    async with at_work(house, 4) as seats:
        old, new = await smith.rotate("token")
        await eventually(lambda: house.all_have("token", {old: "old", new: "active"}))
        late = await log_in(house.cluster, house.nodes[0], "late")
        await check_alive(house, late)
        assert house.kid_in(late.sid, "verifier") == new
        assert all(house.kid_in(seat.opened.sid, "verifier") == old for seat in seats)
        said = await smith.refused("drop", "token", old)
        assert said.startswith(f"hub: token key {old} is needed: it checks the tokens of ")
        assert " live, the last is kept until 20" in said
    house.forget(*(sid for sid in house.sids() if house.kid_in(sid, "verifier") == old))
    smith.let_time_pass(60)
    await smith.good("drop", "token", old)
    await check_alive(house, late)
    async with as_user(house.nodes[0], seats[0].opened) as user:
        problem(await user.get("/v1/sessions/me"), 401, "unauthenticated")


async def test_47_a_new_cookie_key_lets_log_ins_and_forms_under_way_finish(house: House) -> None:
    """A log-in begun, and a form shown, before the rotation come to their end after it; the key goes ten
    minutes later."""
    smith, node = house.smith, house.nodes[0]
    async with httpx.AsyncClient(base_url=node.url) as early, httpx.AsyncClient(base_url=node.url) as reader:
        asked = await begin(early)
        await browser_log_in(house.cluster, node, reader, user="reader")
        shown = await reader.get("/auth/signed-out")
        [field] = re.findall(r'name="csrf" value="([^"]+)"', shown.text)
        old, new = await smith.rotate("cookie")
        await eventually(lambda: house.all_have("cookie", {old: "old", new: "active"}))
        assert (await finish(early, house.cluster, asked, user="early")).status_code == 303
        assert await is_live(early)
        left = await reader.post("/auth/logout", data={"csrf": field}, headers={"Origin": node.url})
        assert left.status_code == 303, left.text
        assert not await is_live(reader)
    async with httpx.AsyncClient(base_url=node.url) as late:
        await browser_log_in(house.cluster, node, late, user="late")
    assert "log-ins on their way need it until 20" in await smith.refused("drop", "cookie", old)
    smith.let_time_pass(601)
    await smith.good("drop", "cookie", old)


async def test_47_a_new_context_key_is_known_to_apps_before_it_signs(house: House) -> None:
    """Listed from its adding on; an app that read the list then checks tokens of both keys without reading it again.
    The old key is listed, and counts, until it is dropped, which is refused while a token of it may be about."""
    smith, node = house.smith, house.nodes[0]
    opened = await log_in(house.cluster, node, "app-user")
    [first] = smith.states("context")
    app = app_check(node)
    made = await smith.good("add", "context")
    await eventually(lambda: lists(node, {first, made["kid"]}))
    before = await context_token(node, opened, "a")
    assert (await asyncio.to_thread(app.check, before))["sid"] == opened.sid
    await smith.good("activate", "context", made["kid"])
    await eventually(lambda: house.all_sign_with(opened, made["kid"]))
    after = await context_token(node, opened, "a")
    app_without_network = app_check(node, app)
    for token in (before, after):
        assert app_without_network.check(token)["sid"] == opened.sid
        async with httpx.AsyncClient(base_url=node.url, headers=bearer(token)) as client:
            good(await client.get(f"/v1/sessions/{opened.sid}/document"))
    assert "apps may still be shown tokens it signed until 20" in await smith.refused("drop", "context", first)
    smith.let_time_pass(721)
    await smith.good("drop", "context", first)
    await eventually(lambda: lists(node, {made["kid"]}))
    async with httpx.AsyncClient(base_url=node.url, headers=bearer(before)) as client:
        problem(await client.get(f"/v1/sessions/{opened.sid}/document"), 401, "unauthenticated")


async def test_47_a_new_chain_key_continues_histories_and_the_old_one_stays_while_they_do(house: House) -> None:
    """Histories that began under one key go on under the next and verify as a whole. The old key cannot go while a
    history cannot be verified without it; what began under the new one does not need it."""
    smith = house.smith
    async with at_work(house, 3) as seats:
        old, new = await smith.rotate("chain")
        await eventually(lambda: house.all_have("chain", {old: "old", new: "active"}))
        counts = [seat.commits for seat in seats]
        await eventually(lambda: have_more(seats, counts))
        said = await smith.refused("drop", "chain", old)
        assert said.startswith(f"hub: chain key {old} is needed: it chains the histories of ")
    late = await log_in(house.cluster, house.nodes[0], "late")
    code, out, err = await smith.run("audit", "verify", "--all")
    assert code == 0, (out, err)
    assert all(seat.opened.sid in out for seat in seats)
    house.forget(*(sid for sid in house.sids() if sid != late.sid))
    smith.let_time_pass(60)
    await smith.good("drop", "chain", old)
    code, out, err = await smith.run("audit", "verify", late.sid)
    assert code == 0, (out, err)


async def test_47_the_index_key_is_never_changed(house: House) -> None:
    """Every name in the store hangs on it: refused in words, and nothing changes."""
    [kid] = house.smith.states("index")
    for command in (["add", "index"], ["activate", "index", kid], ["drop", "index", kid]):
        assert "the index key never changes" in await house.smith.refused(*command)


async def test_47_a_ring_that_cannot_be_used_is_not_taken(house: House) -> None:
    """Open to others, broken, or without a key in use: the node says so once, critically, and goes on with what it has.
    What comes after that and is whole is taken."""
    smith, node = house.smith, house.nodes[0]
    whole, opened = smith.ring.read_text(), await log_in(house.cluster, node, "steady")
    [index], [active] = smith.states("index"), [k for k, state in smith.states("token").items() if state == "active"]
    broken = {
        "not TOML": whole + "[[key",
        "exactly one index key is active, not 0": whole.replace('use = "index"', 'use = "cookie"').replace(
            f'kid = "{index}"\nstate = "active"', f'kid = "{index}"\nstate = "old"'
        ),
        f"the token key in use, {active}, is not in it": whole.replace(f'kid = "{active}"', 'kid = "other"'),
        f"index key {index} is another key than before": re.sub(
            f'(kid = "{index}"\n.*\n.*\nsecret = )"[^"]*"', r'\1"' + "A" * 43 + '"', whole
        ),
    }
    for said, text in broken.items():
        log = SecurityLog(house.cluster, node)
        smith.put(text)
        try:
            line = await log.until("key_ring_refused")
        finally:
            smith.put(whole)
        assert (line["level"], said in line["why"]) == ("critical", True), line
        await check_alive(house, opened)
        await log_in(house.cluster, node, "meanwhile")
    made = await smith.good("add", "cookie")
    await eventually(lambda: house.all_know("cookie", made["kid"]))


async def test_47_a_ring_that_others_can_read_is_not_taken_and_that_is_said_once(house: House) -> None:
    """Looser than 0600: one critical line, however often the node looks; it works again once the mode is right."""
    smith, node = house.smith, house.nodes[0]
    log = SecurityLog(house.cluster, node)
    smith.ring.chmod(0o640)
    try:
        line = await log.until("key_ring_refused")
        assert (line["level"], "lets others at the keys" in line["why"]) == ("critical", True)
        await asyncio.to_thread(look_twice, node)
        assert "key_ring_refused" not in log.names()
        await log_in(house.cluster, node, "still")
    finally:
        smith.ring.chmod(0o600)
    made = await smith.good("add", "cookie")
    await eventually(lambda: house.all_know("cookie", made["kid"]))


async def test_47_a_service_gets_a_new_key_while_nodes_are_restarted_one_by_one(house: House) -> None:
    """First both hashes, then the new one alone, node after node: the service is never told 401, tabs come back where
    they were and hear everything, and in the end the old key opens nothing."""
    new = "hub_sk_billing_the-next-secret"
    opened = await log_in(house.cluster, house.nodes[0], "rolling")
    nodes = [house.cluster.node(**house.settings) for _ in range(2)]
    both, count, tab_at = f'["{sha256(new)}", "{sha256(SERVICE_KEY)}"]', 0, 0
    tab = await (await open_tab(nodes[0], opened.token)).until_live()
    for hashes, key in ((both, SERVICE_KEY), (sha256(new), new)):
        for number, other in ((0, nodes[1]), (1, nodes[0])):
            assert await asyncio.to_thread(nodes[number].stop) == 0
            async with as_service(other, key) as service:
                count += 1
                good(await merge(service, opened.sid, {"profile": {"n": count}}))
            if number == tab_at:
                await tab.until_closed()
                assert tab.code == 4001
                tab, tab_at = await resume_tab(other, opened.token, tab), 1 - number
                await tab.until_live()
                assert "snapshot" not in tab.types
            await tab.until(lambda tab, n=count: tab.document["profile"].get("n") == n)  # type: ignore[misc]
            settings = {**house.settings, "HUB_SERVICES__BILLING__KEY_SHA256": hashes}
            nodes[number] = await asyncio.to_thread(house.cluster.node, port=nodes[number].port, **settings)
            async with as_service(nodes[number], key) as service:
                good(await service.get(f"/v1/sessions/{opened.sid}/document"))
    await tab.socket.close()
    for node in nodes:
        async with as_service(node) as service:
            problem(await service.get(f"/v1/sessions/{opened.sid}/document"), 401, "unauthenticated")
        node.kill()
