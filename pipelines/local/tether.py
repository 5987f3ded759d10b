"""A process that ends when the one that started it does, however that ends.

    python -m pipelines.local.tether PID NICENESS COMMAND…

Asks the Linux kernel for SIGTERM at the parent's death, lets others go first by NICENESS, and becomes COMMAND, under the same pid. Other systems have no such promise;
there the next `taximeter up` ends what was left. (As a program of its own because a multi-threaded parent must not run Python between
fork and exec.)
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, niceness, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    if niceness:
        os.nice(niceness)
    os.execvp(command[0], command)  # noqa: S606 - the supervisor's own command line


if __name__ == "__main__":
    main(sys.argv[1:])
