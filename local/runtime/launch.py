"""Run a module as a child of `make run`: `python -P launch.py MODULE [ARGUMENT ...]`, with a pipe on standard input.

The twin of the bootstrap file that Lambda starts. Only the parent holds the pipe's other end, so however the parent
ends, kill -9 included, the read below returns and the child goes too.
"""

import os
import runpy
import sys
import threading


def _leave_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Run with -P, so the folder of this file is not on the path; the working directory is, as on Lambda.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
