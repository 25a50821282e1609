"""Have a script run by the server, or run it: ``python -I -S client.py SOCKET SCRIPT ...``.

Nothing but small modules of Python itself is imported: every job waits for this.
"""

import os
import signal
import socket
import sys

STARTED = b"+"


def main(address: str, command: list[str]) -> int:
    """Give the exit code of the script, run by the server; without one become its process."""
    started, answer = b"", b""
    try:
        if not command[0].endswith(".py"):  # another use of Python
            raise OSError
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.connect(address)
            entries = [f"{key}={value}" for key, value in os.environ.items()]
            told = os.fsencode("\0".join([os.getcwd(), str(len(command)), *command, *entries]))
            socket.send_fds(server, [len(told).to_bytes(8, "big")], [0, 1, 2])
            server.sendall(told)
            started = server.recv(1)
            if started == STARTED:
                answer = server.recv(1)
    except OSError:
        pass
    if started != STARTED:
        os.execv(sys.executable, [sys.executable, *command])
    if not answer:
        print("The process that jobs are forked from has ended.", file=sys.stderr)
    return answer[0] if answer else 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # interrupted, it says nothing of its own
    sys.exit(main(sys.argv[1], sys.argv[2:]))
