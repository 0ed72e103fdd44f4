"""Subgroups by institution, manufacturer and size."""

from __future__ import annotations

from pathlib import Path

from nnunet_amt.risk.cases import RiskCohort
from nnunet_amt.risk.evaluation.model_scores import gather_models
from nnunet_amt.risk.evaluation.subgroups import risk_subgroups, subgroup_figure, subgroup_table
from nnunet_amt.risk.scores import write_scores
from tests.risk.evaluation.made_up import risk_case, rows_of


def test_each_case_is_in_one_subgroup_of_a_group(tmp_path: Path) -> None:
    """4.9 cm is small, 5 and 8 are medium, 8.1 is large; subgroups under five cases of a class have no AUC, no mark."""
    sizes = (4.9, 8.1, *[5.0, 8.0] * 5)
    cases = tuple(
        risk_case(f"t{place}", "training", place % 2 == 1, diameter_cm=size, manufacturer="GE" if place else None)
        for place, size in enumerate(sizes)
    )
    write_scores(tmp_path, rows_of("Rad_SVM", "out_of_fold", [0.1, 0.9, 0.2, 0.8, 0.7, 0.6] * 2))
    model = gather_models(tmp_path, RiskCohort(cases, {})).named("Rad_SVM")
    found = risk_subgroups(model, ("out_of_fold", "external"))
    names = {(one.group, one.name): one.estimate.cases for one in found}
    assert names == {
        ("all cases", "all cases"): 12,
        ("institution", "North"): 12,
        ("manufacturer", "GE"): 11,
        ("manufacturer", "not stated"): 1,
        ("size", "small (< 5 cm)"): 1,
        ("size", "medium (5 to 8 cm)"): 10,
        ("size", "large (> 8 cm)"): 1,
    }
    text = {row.title: row.cells for row in subgroup_table(model, found).rows}
    assert text["size: small (< 5 cm)"] == ("1", "0", "–")
    assert text["all cases"] == ("12", "6", "0.89")  # no interval of 12 cases
    labels = [label.get_text() for label in subgroup_figure(model, found).axes[0].get_yticklabels()]
    assert labels == ["all cases", "institution: North", "manufacturer: GE", "size: medium (5 to 8 cm)"]
