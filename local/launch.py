"""Run a module as a child of `make run`: `python launch.py MODULE [ARGUMENT ...]`, with a pipe on standard input.

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
    # The folder of this file is not on Lambda's path; the working directory, where the function's code lies, is.
    sys.path[0] = os.getcwd()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
