"""Phantoms for benchmarks and tests alone: a harder cohort, and one with the paper's exact counts."""

from benchmarks.phantoms.counts_cohort import write_counts_cohort
from benchmarks.phantoms.distractors import DISTRACTORS, Distractor, Distractors
from benchmarks.phantoms.harder import (
    HARDER_DESIGN,
    plan_harder_cohort,
    write_harder_cohort,
    write_without_tumours,
)

__all__ = [
    "DISTRACTORS",
    "HARDER_DESIGN",
    "Distractor",
    "Distractors",
    "plan_harder_cohort",
    "write_counts_cohort",
    "write_harder_cohort",
    "write_without_tumours",
]
