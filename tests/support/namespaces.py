"""Machines that are none: networks of their own on one switch, from which any of them can be taken away.

Each is an anonymous network namespace that lives as long as the process that holds it, and that ends with this one:
nothing has a name, so nothing is left behind. What is sent to a machine on another switch gets lost; nobody is told.
Needs the right to make namespaces (root will do) and ``ip`` (Debian: iproute2).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.waiting import becomes

CLONE_NEWNET = 0x40000000
START_SECONDS = 5.0
OWN = "/proc/thread-self/ns/net"
TOGETHER, APART = "together", "apart"


class Namespace:
    """One network. Started and ended by ``with``."""

    def __enter__(self) -> Namespace:
        own = Path(OWN).readlink()
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.path = f"/proc/{self._holder.pid}/ns/net"
        if not becomes(lambda: self._holder.poll() is not None or Path(self.path).readlink() != own, START_SECONDS):
            raise TimeoutError
        if self._holder.poll() is not None:
            self._holder.communicate()
            raise PermissionError("network namespaces cannot be made here")
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.kill()
        self._holder.communicate()

    @property
    def pid(self) -> int:
        """Of a process inside."""
        return self._holder.pid

    def ip(self, *lines: str) -> None:
        """Commands of ``ip``, carried out inside."""
        command = ["nsenter", f"--net={self.path}", "ip", "-batch", "-"]
        subprocess.run(command, input="\n".join(lines), text=True, check=True, capture_output=True)

    def enter(self) -> None:
        """The calling thread is inside from now on; between fork and exec, a whole process."""
        enter(self.path)

    def socket(self) -> socket.socket:
        """A TCP socket that is inside, for whoever is not."""
        return socket_in(self.path)


def enter(path: str) -> None:
    """The calling thread enters a network. Raises ``OSError``."""
    with Path(path).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def socket_in(path: str) -> socket.socket:
    """A TCP socket in a network."""
    with Path(OWN).open() as own:
        enter(path)
        try:
            return socket.socket()
        finally:
            enter(f"/proc/self/fd/{own.fileno()}")


class Network:
    """Machines at one switch. ``machines[n]`` has the address ``addresses[n]``."""

    def __init__(self, switch: Namespace, machines: Sequence[Namespace]) -> None:
        self._switch, self.machines = switch, machines
        self.addresses = [f"10.77.0.{number + 1}" for number in range(len(machines))]
        switch.ip(*(f"link add {name} type bridge\nlink set {name} up" for name in (TOGETHER, APART)))
        for number, machine in enumerate(machines):
            self._plug_in(number, machine)

    def _plug_in(self, number: int, machine: Namespace) -> None:
        self._switch.ip(
            f"link add port{number} type veth peer name eth0 address {_hardware(number)} netns {machine.pid}",
            f"link set port{number} master {TOGETHER}",
            f"link set port{number} up",
        )
        machine.ip(
            "link set lo up",
            f"addr add {self.addresses[number]}/24 dev eth0",
            "link set eth0 up",
            *(f"neigh add {self.addresses[n]} lladdr {_hardware(n)} dev eth0" for n in self._others(number)),
        )

    def _others(self, number: int) -> Iterator[int]:
        """Known by heart: where nobody answers for an address, what is sent there gets lost, and the sender hears
        nothing."""
        return (n for n in range(len(self.machines)) if n != number)

    def part(self, *numbers: int) -> None:
        """These machines reach each other only, and none of the others."""
        self._switch.ip(*(f"link set port{number} master {APART}" for number in numbers))

    def join(self) -> None:
        """Everybody reaches everybody."""
        self._switch.ip(*(f"link set port{number} master {TOGETHER}" for number in range(len(self.machines))))


def _hardware(number: int) -> str:
    return f"02:00:00:00:00:{number + 1:02x}"


@contextmanager
def network(count: int) -> Iterator[Network]:
    """So many machines, gone in the end."""
    with ExitStack() as stack:
        switch, *machines = [stack.enter_context(Namespace()) for _ in range(count + 1)]
        yield Network(switch, machines)


def why_not() -> str | None:
    """What stands in the way of namespaces on this machine; ``None``: nothing."""
    if shutil.which("ip") is None:
        return "no ip (apt install iproute2)"
    try:
        with network(1):
            return None
    except (OSError, subprocess.SubprocessError, TimeoutError):
        return "no right to make network namespaces"
