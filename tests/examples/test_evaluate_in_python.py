"""The example runs as it stands, and its table says what can be known of masks that were moved a little."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.evaluate_in_python import main


@pytest.mark.usefixtures("undrawn")
def test_it_prints_a_table_of_masks_that_nearly_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = main(tmp_path)
    heading, overall, *subgroups = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "cases"
    assert overall.split()[:2] == ["all", "4"]
    assert any(line.startswith("tumour size: ") for line in subgroups)
    dice = result.overall.voxel["dice"].mean
    assert dice is not None and 0.5 < dice < 1
    assert (tmp_path / "evaluation" / "cases.csv").is_file()
