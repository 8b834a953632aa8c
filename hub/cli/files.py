"""File descriptors: as many as this process may have, and some kept back from callers.

A node without any left could not reach its store either. The kernel gives the lowest number that is free, so the
number of a connection says how many are in use.
"""

import contextlib
import resource

KEPT_FRACTION = 16
LEAST_KEPT = 64  # for the store, apps' servers and files


def allow_most() -> None:
    """Raise the soft limit to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses what it calls unlimited
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def most_for_callers() -> int:
    """A connection with this number or a higher one is one too many."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft - max(LEAST_KEPT, soft // KEPT_FRACTION)
