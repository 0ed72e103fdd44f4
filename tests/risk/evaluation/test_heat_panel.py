"""Heat maps in files, and their panel."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.evaluation.heat_panel import heat_figure, heat_summary, heat_table, read_heat_maps, write_heat_maps
from nnunet_amt.risk.rois import Roi
from nnunet_amt.writing.figure_style import ORANGE


def roi(case_id: str) -> Roi:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 2:6] = True
    crop = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    return Roi(case_id, crop, crop, mask, mask, (0.8, 0.7))


def heat(case_id: str, *, inside: float | None, high: bool = True) -> Any:
    """As the networks give it; the shares of a map without heat are undefined."""
    shares = SimpleNamespace(inside=inside, rim=0.25, area_inside=0.2, area_rim=0.5)
    control = SimpleNamespace(inside=0.3, rim=0.4)
    score = 0.9 if high else 0.1
    return SimpleNamespace(
        case_id=case_id,
        score=score,
        high=high,
        heat=roi(case_id).largest,
        shares=shares,
        control=control,
        likeness=None,
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    heats = [heat("b", inside=None), heat("a", inside=0.5)]
    write_heat_maps(tmp_path, heats, {name: roi(name) for name in "ab"}, model="vgg11")
    first, second = read_heat_maps(tmp_path)
    assert (first.case_id, second.case_id) == ("a", "b")
    assert np.array_equal(first.mask, roi("a").mask_largest)
    assert first.spacing == (0.8, 0.7)
    assert second.shares["inside"] is None
    # 0.5 is the mean of the one that is defined
    assert heat_summary([first, second]) == {
        "inside": 0.5, "rim": 0.25, "control_inside": 0.3, "control_rim": 0.4, "area_inside": 0.2, "area_rim": 0.5,
        "likeness": None,
    }  # fmt: skip


def test_the_panel_shows_eight_at_most_and_marks_the_wrong_ones(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(10)]
    write_heat_maps(
        tmp_path, [heat(name, inside=0.5) for name in names], {name: roi(name) for name in names}, model="vgg11"
    )
    figure = heat_figure(read_heat_maps(tmp_path), title="VGG 11", high=dict.fromkeys(names, True) | {"c0": False})
    assert len(figure.axes) == 16
    wrong = [axes.get_title("left") for axes in figure.axes if axes.title is not None and _colour(axes) == ORANGE]
    assert wrong == ["c0, LRT\nscore 0.90"]


def _colour(axes: Any) -> str:
    return str(axes._left_title.get_color())


def test_the_table_holds_the_network_against_its_control(tmp_path: Path) -> None:
    write_heat_maps(tmp_path, [heat("a", inside=0.5)], {"a": roi("a")}, model="vgg11")
    table = heat_table(read_heat_maps(tmp_path), title="VGG 11")
    assert [(row.title, row.cells) for row in table.rows] == [
        ("VGG 11", ("50%", "25%")),
        ("control: weights drawn at random", ("30%", "40%")),
        ("share of the slice's area", ("20%", "50%")),
    ]


def test_a_folder_is_of_one_model(tmp_path: Path) -> None:
    for name, model in (("a", "vgg11"), ("b", "resnet101")):
        write_heat_maps(tmp_path, [heat(name, inside=0.5)], {name: roi(name)}, model=model)
    with pytest.raises(BadInputError, match="holds heat maps of resnet101, vgg11; give a folder for each model"):
        read_heat_maps(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.heat.npz").write_bytes(b"PK")
    with pytest.raises(BadInputError, match=r"a.heat.npz: is no heat map, or damaged; make the heat maps again"):
        read_heat_maps(tmp_path)


def test_a_folder_without_heat_maps_has_none(tmp_path: Path) -> None:
    assert read_heat_maps(tmp_path) == ()
