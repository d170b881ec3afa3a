"""
Run command lines on pseudo terminals: a line of JSON on stdin for each, and one on stdout back.

A process of its own, so that it may fork: the package is imported once for all of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time
from typing import Any

from raxol_sql.cli import main

PATIENCE = 60.0


def run(given: dict[str, Any]) -> dict[str, Any]:
    """The exit code of a command line, None where it did not end in time, and all it printed."""
    pid, terminal = pty.fork()
    if not pid:
        _be_the_command(given)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    os.write(terminal, given["keys"].encode())
    end = time.monotonic() + PATIENCE
    printed = b""
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # it is closed at the other end
                break
            if not part:
                break
            printed += part
    else:
        os.kill(pid, 9)
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"code": status, "text": printed.decode("utf-8", "replace")}


def _be_the_command(given: dict[str, Any]) -> None:
    code = 70
    try:
        os.chdir(given["folder"])
        os.environ.update(given["environment"])
        # The streams were made before there was a terminal.
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, how) for fd, how in enumerate("rww"))
        sys.argv = ["raxol-sql", *given["words"]]
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:
        print(f"Traceback: {error!r}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        answer = json.dumps(run(json.loads(line)))
        print(answer, flush=True)
