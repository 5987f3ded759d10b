"""Who goes first inside the embedded warehouse: no thread goes before what the process was told to let go first."""

import os
import sys
from pathlib import Path

import pytest

from pipelines.local.child import Child
from pipelines.testing import until

TOLD = 3
ASKS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pipelines.local.warehouse_engine import Engine, yielding

engine = Engine(Path(sys.argv[1]))
found = [os.getpriority(os.PRIO_PROCESS, 0)]

def work():
    connection = engine.connect()
    connection.query("CREATE TABLE numbers_told (number UInt64) ENGINE = Memory")
    found.append(os.getpriority(os.PRIO_PROCESS, 0))
    connection.query("SELECT count() FROM numbers(100000) SETTINGS os_threads_nice_value_query = 5")
    found.append(os.getpriority(os.PRIO_PROCESS, 0))
    connection.insert("INSERT INTO numbers_told", "CSV", b"1\\n")
    found.append(os.getpriority(os.PRIO_PROCESS, 0))
    try:
        connection.query("SELECT nothing_of_that_name")
    except RuntimeError:
        found.append(os.getpriority(os.PRIO_PROCESS, 0))
    try:
        connection.insert("INSERT INTO nothing_of_that_name", "CSV", b"1\\n")
    except RuntimeError:
        found.append(os.getpriority(os.PRIO_PROCESS, 0))
    connection.close()
    os.setpriority(os.PRIO_PROCESS, 0, 7)
    with yielding():
        pass
    found.append(os.getpriority(os.PRIO_PROCESS, 0))

with ThreadPoolExecutor(1) as threads:
    threads.submit(work).result()
print(found, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux alone")
def test_a_thread_has_the_niceness_of_the_process_again_after_each_question(tmp_path: Path) -> None:
    # given: questions have one of their own, and the engine leaves a thread with none when they end
    child = Child("asks", [sys.executable, "-c", ASKS, str(tmp_path / "chdb")], {"PYTHONPATH": str(Path.cwd())}, tmp_path / "asks.log", niceness=TOLD)
    # when
    child.start()
    until(lambda: not child.running(), "its end")
    # then: at the start, after a statement, a question, an insert and errors of both; and who lets others go first by more keeps doing so
    assert child.told() == str([min(os.nice(0) + TOLD, 19)] * 6 + [7])
