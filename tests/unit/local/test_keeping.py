"""A kept process: started again, more slowly when it fails at its start, and said once."""

import os
import sys
from pathlib import Path

import pytest

from pipelines.local.child import Child
from pipelines.local.keeping import CALM_S, TRIES, Kept
from pipelines.testing import until


def kept(folder: Path, program: str) -> Kept:
    return Kept(Child("worker", [sys.executable, "-c", program], {}, folder / "worker.log"))


def ended(each: Kept) -> bool:
    return until(lambda: not each.child.running(), "its end")


def test_what_fails_at_its_start_is_tried_ever_more_slowly_and_said_once(tmp_path: Path) -> None:
    # given
    each = kept(tmp_path, "import sys; sys.exit('the cellar is flooded')")
    now, said = 0.0, []
    each.start(now)
    # when: time goes on by itself, on this clock alone
    for _ in range(TRIES + 3):
        ended(each)
        said.append(each.look(now, room=True))
        assert each.look(now, room=True) is None, "it rests before it is started again"
        now += 20.0
        each.look(now, room=True)
    each.child.kill()
    # then
    assert said[:2] == ["worker ended with 1 after 0 s: starting it again"] * 2
    (cannot,) = [text for text in said if text and "can not start" in text]
    assert "the cellar is flooded" in cannot
    assert str(tmp_path / "worker.log") in cannot
    assert each.restarts == TRIES + 3


def test_who_has_run_calmly_is_started_again_at_once_and_only_mentioned(tmp_path: Path) -> None:
    each = kept(tmp_path, "import time; time.sleep(600)")
    each.start(0.0)
    for hours in (1, 2, 3, 4):
        now = hours * 3600.0
        each.child.kill()
        assert each.look(now, room=True) == f"worker ended by SIGKILL after {3600 if hours == 1 else 3600 - 1} s: starting it again"
        each.look(now + 1, room=True)
        assert each.child.running()
        assert each.failures == 1
    each.child.kill()


def test_nothing_is_started_while_the_disk_is_full(tmp_path: Path) -> None:
    each = kept(tmp_path, "import time; time.sleep(600)")
    each.start(0.0)
    each.child.kill()
    each.look(CALM_S, room=False)
    each.look(CALM_S + 100, room=False)
    assert not each.child.running()
    each.look(CALM_S + 101, room=True)
    assert each.child.running()
    each.child.kill()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    each = kept(tmp_path, program)
    each.start(0.0)
    until(lambda: "ready" in each.child.told(), "its first words")
    assert not each.child.stop(0.1)
    assert each.child.ended() == "ended by SIGKILL"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_child_ends_when_who_started_it_is_killed(tmp_path: Path) -> None:
    # given: a parent with a child of its own
    nested = (
        "import sys, time; from pathlib import Path; from pipelines.local.child import Child\n"
        "child = Child('nested', [sys.executable, '-c', 'import time; time.sleep(600)'], {}, Path(sys.argv[1])); child.start()\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    parent = Child("parent", [sys.executable, "-c", nested, str(tmp_path / "nested.log")], {"PYTHONPATH": str(Path.cwd())}, tmp_path / "parent.log")
    parent.start()
    pid = int(until(parent.told, "the child's pid"))
    # when
    parent.kill()
    # then
    until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text(), "the child's end")


def test_a_child_lets_others_go_first_when_it_is_told_to(tmp_path: Path) -> None:
    # given
    says = "import os; print('niceness', os.nice(0), flush=True)"
    child = Child("polite", [sys.executable, "-c", says], {}, tmp_path / "polite.log", niceness=5)
    # when
    child.start()
    until(lambda: not child.running(), "its end")
    # then: beside what this process has itself
    assert child.told() == f"niceness {min(os.nice(0) + 5, 19)}"


def test_a_child_is_of_our_session_and_no_key_of_the_terminal_is_for_it(tmp_path: Path) -> None:
    # given
    says = "import os; print(os.getsid(0), os.getpgid(0) == os.getpid(), flush=True)"
    child = Child("near", [sys.executable, "-c", says], {}, tmp_path / "near.log")
    # when
    child.start()
    until(lambda: not child.running(), "its end")
    # then: a kernel that groups by session weighs it against the other stages by its niceness
    assert child.told() == f"{os.getsid(0)} True"
