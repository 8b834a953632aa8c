"""The shape of the code: it holds for this checkout, and each rule is shown to catch what it is there for."""

from pathlib import Path

import pytest

from tests.architecture import violations

ROOT = Path(__file__).parents[1]


def test_this_checkout_keeps_every_rule() -> None:
    """Imports point one way, core and protocol are pure, files and functions stay small."""
    assert violations(ROOT) == []


def test_the_check_sees_the_real_files() -> None:
    """A check over an empty list would be green too."""
    assert len(list((ROOT / "hub").rglob("*.py"))) > 10


LONG_FUNCTION = "def f() -> None:\n" + "    pass\n" * 45

BROKEN = {
    "upwards": ("hub/core/a.py", "import hub.protocol.codec\n", "core must not import hub.protocol.codec"),
    "sideways": ("hub/api/a.py", "from hub.live import registry\n", "api must not import hub.live"),
    "neighbours": (
        "hub/sessions/a.py",
        "from hub.identity.principal import X\n",
        "sessions must not import hub.identity",
    ),
    "from hub import": ("hub/api/a.py", "from hub import settings\n", "api must not import hub.settings"),
    "inside a function": (
        "hub/live/a.py",
        "def f():\n    import hub.store.feed\n",
        "live must not import hub.store.feed",
    ),
    "cli past the ring": ("hub/cli/a.py", "from hub.store import feed\n", "cli must not import hub.store.feed"),
    "app looks down": ("hub/app.py", "import hub.cli\n", "app must not import hub.cli"),
    "root's other half": ("hub/cli/a.py", "import hub.assembly\n", "cli must not import hub.assembly"),
    "relative": ("hub/core/a.py", "from ..store import keys\n", "core must not import hub.<relative>.store"),
    "unknown folder": ("hub/extra/a.py", "import hub.core.x\n", "extra must not import hub.core.x"),
    "telemetry in core": ("hub/core/a.py", "import hub.telemetry\n", "core must not import hub.telemetry"),
    "redis outside": ("hub/api/a.py", "import redis.asyncio\n", "redis belongs in store"),
    "jose outside its file": ("hub/identity/oidc.py", "from jose import jwt\n", "jose belongs in identity/tokens.py"),
    "httpx outside": ("hub/sessions/a.py", "import httpx\n", "httpx belongs in proxy, identity, cli"),
    "pydantic outside": ("hub/identity/a.py", "import pydantic\n", "pydantic belongs in api, settings"),
    "starlette inside": ("hub/sessions/a.py", "from starlette.requests import Request\n", "starlette belongs in"),
    "clock module": ("hub/core/a.py", "import time\n", "core is pure and must not import time"),
    "loop": ("hub/protocol/a.py", "import asyncio\n", "protocol is pure and must not import asyncio"),
    "randomness": ("hub/core/a.py", "from secrets import token_hex\n", "core is pure and must not import secrets"),
    "network": ("hub/core/a.py", "import urllib.request\n", "core is pure and must not import urllib.request"),
    "clock call": ("hub/core/a.py", "import datetime\nx = datetime.datetime.now()\n", "a pure part calls"),
    "file": ("hub/core/a.py", "x = open('y')\n", "a pure part calls open"),
    "await": ("hub/protocol/a.py", "async def f(): await g\n", "a pure part does not await"),
    "demo": ("demo_apps/desk/a.py", "from hub.core import x\n", "demo apps import nothing from hub"),
    "long file": ("hub/api/a.py", "x = 1\n" * 301, "301 lines, 300 are allowed"),
    "long module": ("client_js/a.js", "let x\n" * 301, "301 lines, 300 are allowed"),
    "long script": ("hub/store/scripts/a.lua", "local x\n" * 41, "41 lines, 40 are allowed"),
    "long function": ("hub/api/a.py", LONG_FUNCTION, "f has 46 lines, 45 are allowed"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_caught(name: str, tmp_path: Path) -> None:
    """Negative control: a tree that breaks one rule is reported for exactly that."""
    where, text, said = BROKEN[name]
    file = tmp_path / where
    file.parent.mkdir(parents=True)
    file.write_text(text)
    found = violations(tmp_path)
    assert len(found) == 1
    assert said in found[0]
    assert where in found[0]


FINE = {
    "hub/app.py": "import hub.store.feed\nimport starlette.applications\n",
    "hub/api/a.py": "import hub.sessions.commit\nimport pydantic\n",
    "hub/store/a.py": "import hub.protocol.x\nimport redis\n",
    "hub/cli/a.py": "import hub.store.keyring\nfrom hub.store import embedded\nimport httpx\n",
    "hub/core/a.py": "from urllib.parse import quote\nimport hub.errors\nimport orjson\n",
    "hub/core/ports.py": "class Store:\n    async def read(self): ...\n",
    "hub/identity/tokens.py": "from jose import jwt\n",
    "hub/store/scripts/a.lua": "local x\n" * 40,
    "hub/live/a.py": LONG_FUNCTION.removesuffix("    pass\n"),
}


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    """The rules do not cry wolf."""
    for where, text in FINE.items():
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / where).write_text(text)
    assert violations(tmp_path) == []
