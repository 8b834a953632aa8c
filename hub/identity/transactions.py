"""Log-ins on their way: what has to be remembered from the redirect to the provider until the callback.

Each is one sealed cookie of its own, so two tabs can log in at once and nothing is kept on the server for strangers.
It lives ten minutes by the store's clock, is used once, and a browser carries five at most.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.core.json import dumps, loads
from hub.core.looking import LookAgain, nowhere
from hub.core.ports import Clock
from hub.errors import Malformed
from hub.identity.cookies import Cookies
from hub.identity.once import Once

LIFETIME_SECONDS = 600
MOST = 5
MOST_CLEARED = 20
NONCE_BYTES = 12
_NUMBER = re.compile(r"[0-9a-f]{8}")
_SEALED = re.compile(r"([A-Za-z0-9]{1,64})\.([A-Za-z0-9_-]{40,4000})")


class LogInFailed(Malformed):
    """This log-in cannot be finished; another one can be begun. The detail is for the person."""


class LogInUsed(LogInFailed):
    """What can be used once came again."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One log-in on its way. ``number`` is in its cookie's name, and ``state`` begins with it."""

    number: str
    provider: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    return_to: str
    door_url: str
    began_ms: int


class Transactions:
    """``keys`` are the ring's cookie keys by kid; ``active`` seals new ones."""

    def __init__(
        self,
        keys: Mapping[str, bytes],
        active: str,
        cookies: Cookies,
        once: Once,
        clock: Clock,
        look_again: LookAgain = nowhere,
    ) -> None:
        self._cookies, self._once, self._clock, self._look_again = cookies, once, clock, look_again
        self.replace_keys(keys, active)

    def replace_keys(self, keys: Mapping[str, bytes], active: str) -> None:
        """Go on with other keys."""
        self._keys = {kid: AESGCM(hmac.digest(key, b"log-in transaction", "sha256")) for kid, key in keys.items()}
        self._active = active

    def begin(
        self, provider: str, return_to: str, door_url: str, headers: Iterable[str]
    ) -> tuple[Transaction, list[str]]:
        """A new one at the door of this origin; the ``Set-Cookie`` values for it and against those one too many."""
        number = secrets.token_hex(4)
        transaction = Transaction(
            number=number,
            provider=provider,
            state=f"{number}.{secrets.token_urlsafe(32)}",
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            return_to=return_to,
            door_url=door_url,
            began_ms=self._clock.now_ms(),
        )
        gone = [self._cookies.clear_transaction(number) for number in self._superfluous(headers)]
        return transaction, [*gone, self._cookies.set_transaction(number, self._seal(transaction), LIFETIME_SECONDS)]

    def find(self, state: str, headers: Iterable[str]) -> Transaction:
        """The one that sent this ``state`` out with this browser. Raises ``LogInFailed``."""
        number = state.partition(".")[0]
        sealed = self._cookies.transactions(headers).get(number)
        found = self._open(number, sealed) if sealed is not None else None
        if found is None or not hmac.compare_digest(found.state.encode(), state.encode("utf-8", "replace")):
            raise LogInFailed("This log-in was not begun in this browser, or too long ago.")
        return found

    async def spend(self, transaction: Transaction) -> None:
        """Use it: the second time raises ``LogInFailed``."""
        if not await self._once.claim("transaction", transaction.state, 2 * LIFETIME_SECONDS):
            raise LogInUsed("This log-in was used already.")

    async def release(self, transaction: Transaction) -> None:
        """It came to nothing through no fault of the user's, and may be tried again."""
        await self._once.release("transaction", transaction.state)

    def _superfluous(self, headers: Iterable[str]) -> list[str]:
        """Numbers of those that are unreadable, too old, or the oldest beyond the number that may stay."""
        came = [(number, self._open(number, sealed)) for number, sealed in self._cookies.transactions(headers).items()]
        dead = [number for number, found in came if found is None and _NUMBER.fullmatch(number)]
        alive = sorted((found for _, found in came if found), key=lambda found: found.began_ms, reverse=True)
        return [*dead[:MOST_CLEARED], *(found.number for found in alive[MOST - 1 :])]

    def _seal(self, transaction: Transaction) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        plain = dumps(asdict(transaction))
        sealed = nonce + self._keys[self._active].encrypt(nonce, plain, transaction.number.encode())
        return f"{self._active}.{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"

    def _open(self, number: str, sealed: str) -> Transaction | None:
        match = _SEALED.fullmatch(sealed)
        key = self._key(match[1]) if match else None
        if match is None or key is None or not _NUMBER.fullmatch(number):
            return None
        try:
            data = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4))
            plain = key.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], number.encode())
        except (ValueError, InvalidTag):
            return None
        found = Transaction(**loads(plain))
        return found if self._is_fresh(found) else None

    def _key(self, kid: str) -> AESGCM | None:
        if kid not in self._keys:
            self._look_again()
        return self._keys.get(kid)

    def _is_fresh(self, found: Transaction) -> bool:
        return self._clock.now_ms() - found.began_ms < LIFETIME_SECONDS * 1000
