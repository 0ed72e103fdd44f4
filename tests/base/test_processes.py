"""Nothing that a command starts takes code from the folder that it is started in.

A folder of a study may come from anyone; a ``subprocess.py`` in it was imported by every worker process.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_amt.base.processes import without_current_folder
from tests.hostile_folder import ROOT, HostileFolder, console_script, environment

# A process that cleans up after itself as the command line does, and then starts a worker.
STARTS_A_WORKER = """
import sys
from nnunet_amt.base.processes import keep_current_folder_out
if __name__ == "__main__":
    keep_current_folder_out()
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(max, (1, 2)))
"""

# A supervisor that is asked to end when its command has just begun, and it does not know of it yet.
ENDS_EARLY = """
import os, signal, subprocess, sys
from nnunet_amt.base import processes
Popen = subprocess.Popen

def asked_meanwhile(*words, **options):
    begun = Popen(*words, **options)
    os.kill(os.getpid(), signal.SIGINT)
    return begun

subprocess.Popen = asked_meanwhile
print(processes.supervise([sys.executable, "-c", "import time; time.sleep(60)"]))
"""

# Touches 40 MB five times over, after once, and tells how many pages of 4 kB the system had to give for it.
TAKES_MEMORY_AGAIN = """
import resource
from nnunet_amt.base.processes import keep_freed_memory
keep_freed_memory()
bytearray(40_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    bytearray(40_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of other C libraries nothing is changed")
def test_memory_that_was_freed_is_taken_again() -> None:
    """Five times 40 MB are 50,000 pages, of which none has to be asked for anew."""
    done = subprocess.run(
        [sys.executable, "-c", TAKES_MEMORY_AGAIN], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert int(done.stdout) < 1000


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        (["", "/a"], ["/a"]),
        (["/a", "."], ["/a"]),
        (["./x", "..", "/a", "x/y", "/b"], ["/a", "/b"]),
        (["/a/../b"], ["/a/../b"]),
        ([""], None),
    ],
)
@pytest.mark.parametrize("name", ["PYTHONPATH", "PATH", "LD_LIBRARY_PATH"])
def test_entries_that_depend_on_the_folder_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, entries: list[str], left: list[str] | None
) -> None:
    monkeypatch.chdir(tmp_path)
    safe = without_current_folder({name: os.pathsep.join(entries), "OTHER": "."})
    assert safe.get(name) == (None if left is None else os.pathsep.join(left))
    assert (safe["OTHER"], safe["PYTHONSAFEPATH"]) == (".", "1")


def test_checkout_that_is_on_the_path_by_a_relative_entry_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own code comes from it: it is as trusted as we are."""
    monkeypatch.chdir(ROOT)
    assert without_current_folder({"PYTHONPATH": "."})["PYTHONPATH"] == str(ROOT.resolve())


@pytest.fixture
def hostile(tmp_path: Path) -> HostileFolder:
    return HostileFolder(tmp_path / "received study")


def test_folder_is_hostile(hostile: HostileFolder) -> None:
    """Without the measures it is imported from, or the other tests say nothing."""
    command = [sys.executable, "-c", "import json"]
    subprocess.run(command, cwd=hostile.path, env=environment(), capture_output=True, check=False)
    assert hostile.imported() == ["json.py"]


def pythons() -> list[str]:
    """The Python of the tests, and one of 3.10, which knows no PYTHONSAFEPATH, where there is one."""
    old = shutil.which("python3.10")
    works = old and subprocess.run([old, "-c", ""], capture_output=True, check=False).returncode == 0
    return [sys.executable, *([old] if old and works and sys.version_info >= (3, 11) else [])]


@pytest.mark.parametrize("python", pythons())
def test_worker_of_a_command_takes_nothing_from_the_folder(tmp_path: Path, hostile: HostileFolder, python: str) -> None:
    script = tmp_path / "bin" / "command"
    script.parent.mkdir()
    script.write_text(STARTS_A_WORKER)
    shown = subprocess.run(
        [python, script], cwd=hostile.path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (shown.stdout, hostile.imported()) == ("2\n", []), shown.stderr


@pytest.mark.parametrize("entry", ["", ".", "./"])
def test_what_a_relative_entry_gave_us_our_workers_do_not_get(tmp_path: Path, entry: str) -> None:
    """Python has imported `sitecustomize` before we begin, once; a worker would be the second."""
    hostile = HostileFolder(tmp_path / "received study", modules=("sitecustomize",), packages=())
    script = tmp_path / "bin" / "command"
    script.parent.mkdir()
    script.write_text(STARTS_A_WORKER)
    shown = subprocess.run(
        [sys.executable, script], cwd=hostile.path, env=environment(entry), capture_output=True, text=True, check=False
    )
    assert (shown.stdout, hostile.imported()) == ("2\n", ["sitecustomize.py"]), shown.stderr


def test_command_that_is_run_as_a_module_imports_no_more_from_the_folder(tmp_path: Path) -> None:
    """``python -m`` puts it first; of what is imported later, and by workers, nothing comes from there."""
    hostile = HostileFolder(tmp_path / "received study", modules=("imported_later",), packages=())
    (tmp_path / "code").mkdir()
    late = STARTS_A_WORKER.replace("        print(", "        import imported_later\n        print(")
    (tmp_path / "code" / "command.py").write_text(late)
    shown = subprocess.run(
        [sys.executable, "-m", "command"], cwd=hostile.path, env=environment(str(tmp_path / "code")),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No module named 'imported_later'" in shown.stderr
    assert hostile.imported() == []


def test_help_in_a_hostile_folder(hostile: HostileFolder) -> None:
    shown = subprocess.run(
        [console_script(), "--help"], cwd=hostile.path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (shown.returncode, hostile.imported()) == (0, []), shown.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("hangup", ["SIG_DFL", "SIG_IGN"])
def test_told_to_end_is_for_this_process_and_not_for_forked_workers(hangup: str) -> None:
    """nnU-Net ends its pools by SIGTERM; a worker with a handler in Python may wait for a lock and not hear it."""
    code = f"""
import os, signal
from nnunet_amt.base.processes import end_tidily_when_told
signal.signal(signal.SIGHUP, signal.{hangup})
end_tidily_when_told()
ours = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGHUP)]
print(callable(ours[0]), ours[1] == signal.SIG_IGN, flush=True)
if not os.fork():
    print([int(signal.getsignal(s)) for s in (signal.SIGTERM, signal.SIGHUP)], flush=True)
    os._exit(0)
os.wait()
os.kill(os.getpid(), signal.SIGTERM)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ignored = hangup == "SIG_IGN"  # as under nohup
    assert found.stdout.splitlines() == [f"True {ignored}", f"[0, {int(ignored)}]"]
    assert found.returncode == 128 + signal.SIGTERM


def test_what_asks_for_the_end_reaches_a_command_that_has_just_begun() -> None:
    """It ended by the signal, not a minute later by itself."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", ENDS_EARLY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        start_new_session=True,
    )  # fmt: skip
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == b"130\n"
    supervisor.communicate()
