"""The key ring: every secret the hub itself makes, in one file that nobody else may read; and the life of its keys.

A TOML file of ``[[key]]`` tables, each with ``use``, ``kid``, ``state``, ``since`` (when it got its state) and
``secret`` (256 random bits in base64url; for ``context`` a P-256 private key in PEM). Exactly one key of a use is
``active`` and makes new things; ``next`` and ``old`` keys still open what they sealed or signed. The file is only ever
replaced whole: nobody reads half a ring.
"""

from hub.store.keyring.key import STATES, USES, Key, Keys, State, Use
from hub.store.keyring.ring import KeyRing

__all__ = ["STATES", "USES", "Key", "KeyRing", "Keys", "State", "Use"]
