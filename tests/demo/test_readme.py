"""What demo_apps/README.md shows works when it is pasted."""

import asyncio
import json
import re
import shlex
from typing import Any

import httpx
import pytest

from tests.demo.fake_hub import DEMO, SERVICE_KEY, SID, FakeHub, context_token
from tests.demo.stage import program, serving

README = (DEMO / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_server_of_the_readme_greets_and_commits() -> None:
    """The snippet is run as it stands, against a hub on another port."""
    hub = FakeHub()
    with serving(hub) as url:
        scope: dict[str, Any] = {}
        exec(blocks("python")[0].replace("http://localhost:8000", url), scope)  # the project's own text

        async def ask() -> httpx.Response:
            headers = {"X-Hub-Session": context_token(url, "a")}
            transport = httpx.ASGITransport(scope["app"])
            async with httpx.AsyncClient(transport=transport, base_url="http://upstream", headers=headers) as http:
                answer = await http.get("/apps/a/hello")
            await scope["api"].close()
            return answer

        answer = asyncio.run(ask())
        assert answer.json() == {"hello": "ada", "position": hub.position}
        assert hub.document["profile"]["pronouns"] == "she/her"


def test_the_curl_line_of_the_readme_is_a_credit_the_hub_accepts() -> None:
    """Its headers and its body, sent to the same path."""
    hub = FakeHub()
    (line,) = [block for block in blocks("sh") if block.startswith("curl")]
    words = shlex.split(line.replace("\\\n", " ").replace("$SID", SID).replace("$DEMO_BILLING_KEY", SERVICE_KEY))
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    method, address = words[2], words[3]
    with serving(hub) as url:
        answer = httpx.request(method, address.replace("http://localhost:8000", url), headers=headers, content=body)
    assert answer.status_code == httpx.codes.OK
    assert hub.document["cart"] == {"items": [], **json.loads(body)["cart"]}


def command(name: str) -> list[str]:
    """The arguments the README gives this server, without its port."""
    (block,) = [block for block in blocks("sh") if f"{name}/server.py" in block]
    words = shlex.split(block.replace("\\\n", " ").partition("server.py")[2])
    at = words.index("--port")
    return words[:at] + words[at + 2 :]


@pytest.mark.parametrize(
    ("name", "path", "status"), [("idp", "/.well-known/openid-configuration", 200), ("app_a", "/apps/a/", 401)]
)
def test_one_server_alone_starts_as_the_readme_says(name: str, path: str, status: int) -> None:
    """On a free port instead of the usual one."""
    with program(name, *command(name), DEMO_IDP_SECRET="only-for-this-machine") as url:
        assert httpx.get(url + path).status_code == status
