"""Sensitivity by the volume of the lesions; a voxel of the tests' spacing has 10 mm3, so 100 of them are 1 cm3."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nnunet_amt.evaluation.measure.lesions import threshold_index
from nnunet_amt.evaluation.results.csv_files import VOLUME_BINS_COLUMNS, write_volume_bins_csv
from nnunet_amt.evaluation.summary.subgroups import sensitivity_by_volume
from nnunet_amt.statistics.intervals import wilson_interval
from tests.evaluation.builders import evaluated, row_mask

# Lesions of 0.99, 1 and 10 cm3: none of the first predicted, 55 of 100 voxels of the second, all of the third.
CASE = evaluated(
    row_mask(1500, (200, 255), (400, 1400)), row_mask(1500, (0, 99), (200, 300), (400, 1400)), case_id="three"
)
EMPTY = evaluated(row_mask(1500, (0, 50)), row_mask(1500), case_id="none")


def test_a_bin_begins_with_its_limit() -> None:
    """1 cm3 is in the bin from 1 to below 10, 10 cm3 in that from 10; nothing is as large as 100."""
    bins = sensitivity_by_volume([CASE, EMPTY])
    assert [(b.low, b.high, b.lesions) for b in bins] == [(0, 1, 1), (1, 10, 1), (10, 100, 1), (100, None, 0)]


def test_found_follows_the_threshold() -> None:
    """IoU 0.55 is above 0.5 and not above 0.55."""
    at = {t: [b.found[threshold_index(t)] for b in sensitivity_by_volume([CASE, CASE])] for t in (0.1, 0.5, 0.55)}
    assert at == {0.1: [0, 2, 2, 0], 0.5: [0, 2, 2, 0], 0.55: [0, 0, 2, 0]}


def test_bins_add_up_to_all_lesions() -> None:
    bins = sensitivity_by_volume([CASE, EMPTY, CASE])
    assert sum(b.lesions for b in bins) == 6
    assert [sum(found) for found in zip(*(b.found for b in bins), strict=True)] == (2 * CASE.lesions.tp).tolist()


def test_file_has_a_row_a_bin_and_threshold(tmp_path: Path) -> None:
    write_volume_bins_csv(tmp_path / "v.csv", sensitivity_by_volume([CASE, EMPTY]))
    rows = list(csv.DictReader((tmp_path / "v.csv").open(encoding="utf-8")))
    assert tuple(rows[0]) == VOLUME_BINS_COLUMNS
    assert len(rows) == 4 * 19
    whole, none = rows[2 * 19], rows[3 * 19]
    assert (whole["lesions"], whole["found"], whole["sensitivity"]) == ("1", "1", "1.0")
    assert float(whole["wilson95_low"]) == pytest.approx(wilson_interval(1, 1)[0])
    assert (none["lesions"], none["sensitivity"], none["below_cm3"]) == ("0", "", "")
