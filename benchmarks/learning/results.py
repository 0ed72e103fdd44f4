"""What the runs say: a row a case, and the arms compared over seeds and cases."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.arms import EVERY_ARM, Run, Study
from nnunet_amt.base.files import write_csv, write_text

__all__ = ["Finished", "collect_runs", "interval_over_seeds_and_cases", "write_comparison"]

_RESAMPLES = 10_000
_COLUMNS = (
    *("arm", "seed", "budget", "checkpoint", "iterations", "compute_seconds", "seconds_a_ct", "case_id"),
    *("tumour", "dice", "true_positives", "false_positives"),
)
_WITHOUT = "best, tumours taken out"


@dataclass(frozen=True)
class Finished:
    """A run that is done.

    Attributes
    ----------
    run
        Which.
    record
        What `benchmarks.learning.one_run` has written.
    """

    run: Run
    record: Mapping[str, Any]

    def dice(self, checkpoint: str = "best") -> NDArray[np.float64]:
        """Dice of the external cases with a tumour."""
        return np.array([float(case["dice"]) for case in self.record["cases"][checkpoint] if _has_tumour(case)])

    def false_positives(self) -> NDArray[np.float64]:
        """Count the false positives of each external case."""
        return _false_positives(self.record["cases"]["best"])

    def without_tumours(self) -> NDArray[np.float64]:
        """Count the false positives of the external patients without their tumours; empty for an older run."""
        return _false_positives(self.record.get("without_tumours", []))

    def seconds_a_ct(self) -> float:
        """Compute seconds from the file of a CT to that of its label map."""
        return float(self.record["seconds_a_ct_best"])


def _has_tumour(case: Mapping[str, str]) -> bool:
    return int(case["reference_lesions"]) > 0


def _false_positives(cases: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    return np.array([float(case["lesion_fp_0.1"]) for case in cases])


def collect_runs(study: Study) -> list[Finished]:
    """Read all runs that are done, those of earlier calls too, and write ``runs.csv`` with a row a case."""
    records = [json.loads(file.read_text(encoding="utf-8")) for file in study.output.glob("runs/*/run.json")]
    found = [Finished(Run(record["arm"], record["seed"], record["budget"]), record) for record in records]
    order = [arm.key for arm in EVERY_ARM]
    found.sort(key=lambda one: (one.run.seed, one.run.budget, order.index(one.run.arm)))
    write_csv(study.output / "runs.csv", _COLUMNS, list(_rows(found)))
    return found


def _rows(runs: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    for finished in runs:
        record = finished.record
        judged = {**record["cases"], _WITHOUT: record.get("without_tumours", [])}
        for checkpoint, cases in judged.items():
            for case in cases:
                yield {
                    "arm": finished.run.arm,
                    "seed": finished.run.seed,
                    "budget": finished.run.budget,
                    "checkpoint": checkpoint,
                    "iterations": record["iterations"],
                    "compute_seconds": f"{record['seconds']:.1f}",
                    "seconds_a_ct": f"{finished.seconds_a_ct():.2f}",
                    "case_id": case["case_id"],
                    "tumour": "yes" if _has_tumour(case) else "no",
                    "dice": case["dice"],
                    "true_positives": case["lesion_tp_0.1"],
                    "false_positives": case["lesion_fp_0.1"],
                }


def interval_over_seeds_and_cases(values: NDArray[np.float64], seed: int = 711) -> tuple[float, float]:
    """Give the percentile bootstrap 95% interval of the mean of values (seed, case), drawn anew along both.

    With few seeds it is too narrow, as every bootstrap of few is.
    """
    rng = np.random.default_rng(seed)
    seeds, cases = values.shape
    means = [
        values[np.ix_(rng.integers(seeds, size=seeds), rng.integers(cases, size=cases))].mean()
        for _ in range(_RESAMPLES)
    ]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def write_comparison(study: Study, runs: Sequence[Finished]) -> str:
    """Write ``comparison.md``, what each arm reached at each budget and how far it is from the fast recipe."""
    head = (
        "arm", "seeds", "steps", "s a CT", "Dice (SD over seeds)", "Dice, last checkpoint", "fast - arm (95% CI)",
        "FP/scan", "arm - fast (95% CI)", "seeds", "FP/scan, tumours taken out", "arm - fast (95% CI)",
    )  # fmt: skip
    lines = ["# The same compute time, then the external phantoms", ""]
    for budget in sorted({one.run.budget for one in runs}):
        lines += [f"## {budget * study.seconds:g} s", "", _line(head), _line(["---", *["---:"] * (len(head) - 1)])]
        fast = _of(runs, "fast", budget)
        of_arms = [(arm, _of(runs, arm.key, budget)) for arm in EVERY_ARM]
        lines += [_line(_cells(arm.title, found, fast)) for arm, found in of_arms if found]
        lines.append("")
    lines += [
        "Dice: mean over seeds of the mean over external cases with a tumour, of the checkpoint that tuning chose.",
        "Differences: of seeds and cases that both arms have, paired; percentile bootstrap over both. Above 0 the fast "
        "recipe is better.",
        "FP/scan: IoU > 0.1.",
        "",
    ]  # fmt: skip
    text = "\n".join(lines)
    write_text(study.output / "comparison.md", text)
    return text


def _cells(title: str, found: Mapping[int, Finished], fast: Mapping[int, Finished]) -> list[str]:
    runs = list(found.values())
    means = [run.dice().mean() for run in runs]
    spread = f" ({np.std(means, ddof=1):.3f})" if len(runs) > 1 else ""
    paired = sorted(found.keys() & fast.keys()) if title != "fast" else []
    better, fewer, fewer_without = "", "", ""
    if paired:
        better = _difference([fast[seed].dice() - found[seed].dice() for seed in paired])
        fewer = _difference([found[seed].false_positives() - fast[seed].false_positives() for seed in paired])
    without = {seed: run.without_tumours() for seed, run in found.items() if run.without_tumours().size}
    alike = [seed for seed in paired if seed in without and fast[seed].without_tumours().size]
    if alike:
        fewer_without = _difference([without[seed] - fast[seed].without_tumours() for seed in alike])
    return [
        title,
        str(len(runs)),
        f"{np.mean([run.record['iterations'] for run in runs]):.0f}",
        f"{np.mean([run.seconds_a_ct() for run in runs]):.1f}",
        f"{np.mean(means):.3f}{spread}",
        f"{np.mean([run.dice('last').mean() for run in runs]):.3f}",
        better,
        f"{np.mean([run.false_positives() for run in runs]):.2f}",
        fewer,
        str(len(without)) if without else "",
        f"{np.mean(list(without.values())):.2f}" if without else "",
        fewer_without,
    ]


def _difference(values: Sequence[NDArray[np.float64]]) -> str:
    """Write the mean of a seed's cases, seed by seed, with its interval."""
    low, high = interval_over_seeds_and_cases(np.array(values))
    return f"{np.mean(values):+.3f} ({low:+.3f} to {high:+.3f})"


def _of(runs: Sequence[Finished], arm: str, budget: int) -> dict[int, Finished]:
    return {one.run.seed: one for one in runs if (one.run.arm, one.run.budget) == (arm, budget)}


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
