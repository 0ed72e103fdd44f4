"""failure_features.png and .svg."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.evaluation.failures.analyse import feature_figure, write_feature_figures
from nnunet_amt.evaluation.failures.failure_case import FailureCase, failure_mode
from nnunet_amt.evaluation.failures.groups import compare_features, extreme_groups
from nnunet_amt.evaluation.measure.case import voxel_metrics
from nnunet_amt.evaluation.measure.features import SHAPE_FEATURES, Feature, FeatureValues

VOLUME, DIAMETER, *_ = SHAPE_FEATURES
GROUPS = extreme_groups({str(number): number / 40 for number in range(40)})  # 0 to 3 against 39 to 36


def case(number: int, features: FeatureValues) -> FailureCase:
    return FailureCase(
        str(number), 1, 0, 0, voxel_metrics(1, 0, 0), failure_mode(1, 0, 0, covered_shares=[1.0]), (), features
    )


def cases(**values: dict[int, float | None]) -> list[FailureCase]:
    return [case(number, {name: of.get(number) for name, of in values.items()}) for number in range(40)]


def drawn(made: list[FailureCase], features: tuple[Feature, ...] = (VOLUME, DIAMETER)):  # type: ignore[no-untyped-def]
    by_id = {case.case_id: case.features for case in made}
    groups = [[by_id[case_id] for case_id in members] for members in (GROUPS.bottom, GROUPS.top)]
    return feature_figure(made, GROUPS, compare_features(features, *groups))


def test_a_panel_holds_every_case_of_both_groups_and_the_p_value() -> None:
    """4 against 4 without overlap: 2 of 70 draws are as extreme, 0.029; doubled for two features."""
    made = cases(volume_cm3={n: float(n) for n in range(40)}, maximum_3d_diameter_mm={n: float(-n) for n in range(40)})
    figure = drawn(made)
    first = figure.axes[0]
    assert first.get_title() == "Volume (cm³)\np 0.029 (Holm 0.057)"
    points = [line for line in first.get_lines() if line.get_marker() == "o"]
    assert [sorted(line.get_ydata()) for line in points] == [[0, 1, 2, 3], [36, 37, 38, 39]]
    assert [label.get_text() for label in first.get_xticklabels()] == ["bottom\n(n = 4)", "top\n(n = 4)"]
    assert "the 4 cases of lowest" in figure.get_suptitle()


@pytest.mark.parametrize(("smallest", "scale"), [(0.1, "log"), (1.0, "linear"), (-1.0, "linear")])
def test_an_axis_is_logarithmic_where_values_span_more_than_a_hundredfold(smallest: float, scale: str) -> None:
    made = cases(volume_cm3={0: smallest, 39: 50.0}, maximum_3d_diameter_mm={0: 1.0, 39: 1.0})
    assert drawn(made).axes[0].get_yscale() == scale


def test_a_group_without_values_is_said_to_have_none() -> None:
    figure = drawn(cases(volume_cm3={39: 1.0}, maximum_3d_diameter_mm={}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["none"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["none", "none"]
    assert figure.axes[0].get_title().endswith("p undefined")


def test_it_is_written_as_png_and_svg_and_the_same_again(tmp_path: Path) -> None:
    made = cases(volume_cm3={0: 1.0, 39: 2.0})
    comparisons = compare_features([VOLUME], [{"volume_cm3": 1.0}], [{"volume_cm3": 2.0}])
    for name in ("failure_features", "again"):
        write_feature_figures(tmp_path / name, made, GROUPS, comparisons)
    png, svg = ((tmp_path / f"failure_features.{ending}").read_bytes() for ending in ("png", "svg"))
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    assert [(tmp_path / f"again.{ending}").read_bytes() for ending in ("png", "svg")] == [png, svg]
