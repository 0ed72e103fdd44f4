"""Time the conversion of a DICOM cohort against its floor: read the pixels once, compress them once.

    make bench                                                    # 40 cases of 512 x 512 x 60, 711 small ones
    python -m benchmarks.bench_conversion --cases 8 --small 100   # quicker

The floor of a case is SimpleITK's series reader on the sorted files and isal at the level that the conversion takes;
nothing is checked, hashed or written. It is timed within the same run, right after (every other time: before) the
conversion of the same case, so that a busy machine slows both alike. The conversion is one worker in this process,
one thread, with everything that it does: headers of all files, geometry, contours, audit, tables and figure.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import SimpleITK as sitk
from isal import igzip
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from benchmarks.dicom_cohort import write_dicom_cohort
from nnunet_amt.base.progress import Progress
from nnunet_amt.dataset_conversion import ConversionSettings, convert

SIZE, SLICES = 512, 60
SMALL_SIZE, SMALL_SLICES, FEW = 32, 4, 10
LEVEL = 3
CONSOLE = Console()


class FloorBetween:
    """Progress listener that times the floor of each case between the cases, and what the conversion takes."""

    def __init__(self, series: list[Path]) -> None:
        self._series = series
        self._last = perf_counter()
        self.floor: list[float] = []
        self.headers = 0.0
        self.converting: list[float] = []
        self.paused = 0.0

    def __call__(self, done: int, total: int, what: str) -> None:
        """Take the time since the last case, then run the floor of the case that is due."""
        if what == "looking for files":
            return
        now = perf_counter()
        if what == "checking headers":
            if done == 0:
                self._last = now
            self.headers = now - self._last
            return
        if done:
            self.converting.append(now - self._last)
        if done % 2 == 0:  # that of the odd case which is done, and of the even one that is next
            for case in (done - 1, done):
                if 0 <= case < total:
                    self.floor.append(floor_seconds(self._series[case]))
        self._last = perf_counter()
        self.paused += self._last - now


def floor_seconds(folder: Path) -> float:
    """Seconds to read a sorted series and compress its voxels as int16."""
    started = perf_counter()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in sorted(folder.glob("*.dcm"))])
    image = reader.Execute()
    values = sitk.GetArrayViewFromImage(image).astype(np.int16)
    igzip.compress(values.data, LEVEL)
    return perf_counter() - started


def main() -> None:
    arguments = _arguments()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        base = Path(folder)
        _against_floor(base / "large", arguments.cases, arguments.size, arguments.slices)
        if arguments.small:
            _flat(base / "small", arguments.small)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=40, help="large cases (default: %(default)s)")
    parser.add_argument("--size", type=int, default=SIZE, help="rows and columns (default: %(default)s)")
    parser.add_argument("--slices", type=int, default=SLICES, help="slices (default: %(default)s)")
    parser.add_argument("--small", type=int, default=711, help="small cases, 0 for none (default: %(default)s)")
    return parser.parse_args()


def _against_floor(folder: Path, cases: int, size: int, slices: int) -> None:
    """Convert a cohort with the floor of every case in between."""
    _write(folder, cases, size, slices)
    series = sorted(path for path in folder.iterdir() if path.is_dir())
    floor_seconds(series[0])  # imports and memory
    listener = FloorBetween(series)
    seconds = _converted(folder, listener) - listener.paused
    floor = sum(listener.floor) / len(listener.floor)
    table = Table(title=f"{cases} DICOM series of {size} x {size} x {slices} voxels, one worker")
    table.add_column("")
    for column in ("s a case", "ratio to the floor"):
        table.add_column(column, justify="right")
    table.add_row("floor: read once, compress once", f"{floor:.3f}", "1.00")
    table.add_row("conversion, everything", f"{seconds / cases:.3f}", f"{seconds / cases / floor:.2f}")
    rest = seconds - listener.headers - sum(listener.converting)
    parts = {
        "headers of all files": listener.headers,
        "voxels": sum(listener.converting),
        "manifest, audit, tables, figure": rest,
    }
    for name, taken in parts.items():
        table.add_row(f"  {name}", f"{taken / cases:.3f}", f"{taken / cases / floor:.2f}")
    CONSOLE.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    CONSOLE.print(
        f"peak memory of this process: {peak:.0f} MB; a CT as int16 is {size * size * slices * 2 / 1e6:.0f} MB"
    )
    shutil.rmtree(folder)


def _flat(folder: Path, many: int) -> None:
    """Convert a few small cases and many, to see whether a case takes longer among many."""
    table = Table(title=f"DICOM series of {SMALL_SIZE} x {SMALL_SIZE} x {SMALL_SLICES} voxels, one worker")
    for column in ("cases", "s in all", "ms a case"):
        table.add_column(column, justify="right")
    for cases in (FEW, many):
        _write(folder / str(cases), cases, SMALL_SIZE, SMALL_SLICES)
        seconds = _converted(folder / str(cases), lambda done, total, what: None)
        table.add_row(str(cases), f"{seconds:.2f}", f"{1000 * seconds / cases:.1f}")
    CONSOLE.print(table)


def _write(folder: Path, cases: int, size: int, slices: int) -> None:
    written: Iterator[Path] = write_dicom_cohort(folder, cases, size, slices)
    for _ in track(written, f"writing {cases} series", cases + 1, console=CONSOLE, transient=True):
        pass


def _converted(folder: Path, progress: Progress) -> float:
    started = perf_counter()
    convert(folder / "manifest.csv", folder / "raw", dataset_id=711, settings=ConversionSettings(), progress=progress)
    return perf_counter() - started


if __name__ == "__main__":
    main()
