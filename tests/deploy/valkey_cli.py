"""As much of ``valkey-cli`` as the compose files use, where there is none: one command, one line or text as the answer.

``python valkey_cli.py [OPTIONS] COMMAND…``. It talks to servers that speak no TLS, whatever the options say; it imports
next to nothing, because the scripts start it dozens of times.
"""

import os
import socket
import sys

FLAGS = {"-e", "--tls", "--no-auth-warning"}


def main(words: list[str]) -> int:
    """1 for an error answer."""
    given: dict[str, str] = {}
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option not in FLAGS:
            given[option] = words.pop(0)
    password = given.get("--pass") or os.environ["REDISCLI_AUTH"]
    with socket.create_connection((given["-h"], int(given.get("-p", "6379"))), timeout=5) as server:
        for command in (["AUTH", given["--user"], password], words):
            said = _asked(server, command)
            if said.startswith("-"):
                print(said[1:])
                return 1
    print(said[1:])
    return 0


def _asked(server: socket.socket, command: list[str]) -> str:
    """The kind of the answer, and the answer: a line, or a text after its length."""
    parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
    server.sendall(f"*{len(command)}\r\n{parts}".encode())
    with server.makefile("rb") as answer:
        line = answer.readline().decode().rstrip()
        assert not line.startswith("*"), "lists are not among what the scripts ask for"
        return "=" + answer.read(int(line[1:])).decode() if line.startswith("$") else line


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
