"""Patients as numbers: by the training cases alone, and never silently by what the training did not know."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.risk.fusion.encoding import Encoding, PatientData, fit_encoding, mixed_columns
from tests.risk.fusion.training_cases import lesion

PATIENTS = (
    PatientData(10.0, 40.0, "F", "anterior", {"clinical_ldh": "200", "clinical_myasthenia": "yes"}),
    PatientData(14.0, 60.0, "M", "middle", {"clinical_ldh": "400", "clinical_myasthenia": "No"}),
    PatientData(None, 50.0, "F", "anterior", {"clinical_ldh": "", "clinical_myasthenia": ""}),
)
_NOT_STATED_THERE = ("clinical_ldh: not stated", "clinical_myasthenia: not stated")


def patient(
    ctc_level: float | None = 12.0, age: float = 50.0, location: str = "anterior", **clinical: str
) -> PatientData:
    return PatientData(ctc_level, age, "F", location, {f"clinical_{name}": text for name, text in clinical.items()})


def test_numbers_are_standardised_and_words_have_a_place_each() -> None:
    """Levels 10 and 14 have mean 12 and SD 2, ages 40, 60, 50 mean 50; what is missing is 0, with a flag."""
    encoding = fit_encoding(PATIENTS)
    ctc, clinical = encoding.vectors(PATIENTS)
    assert ctc.tolist() == [[-1, 0], [1, 0], [0, 1]] and ctc.dtype == clinical.dtype == np.float32
    assert encoding.clinical_names == (
        *("age", "age not stated", "sex f", "sex m", "sex not stated"),
        *("location anterior", "location middle", "location not stated"),
        *("clinical_ldh", "clinical_ldh not stated"),
        *("clinical_myasthenia no", "clinical_myasthenia yes", "clinical_myasthenia not stated"),
    )
    third = dict(zip(encoding.clinical_names, clinical[2].tolist(), strict=True))
    assert [name for name, value in third.items() if value] == [
        *("sex f", "location anterior", "clinical_ldh not stated", "clinical_myasthenia not stated")
    ]
    assert clinical[0][0] == pytest.approx(-10 / math.sqrt(200 / 3))


def test_other_cases_have_no_say_in_the_statistics() -> None:
    """A patient is encoded alone as among others: an external case moves nothing."""
    encoding = fit_encoding(PATIENTS)
    far = PatientData(100.0, 90.0, "M", "middle")
    _, together = encoding.vectors([*PATIENTS, far])
    ctc, alone = encoding.vectors([far])
    assert ctc.tolist() == [[44, 0]] and np.array_equal(together[-1], alone[0])


def test_what_no_training_case_lacked_is_not_flagged_but_told() -> None:
    """A flag that was 0 in all of training has weights as they were drawn: a 1 there would give any answer."""
    cases = [lesion(number) for number in range(4)]  # sexes F, M, F, M; locations 3 anterior, 1 middle
    encoding = fit_encoding(cases)
    ctc, clinical = encoding.vectors([PatientData()])
    values = dict(zip(encoding.clinical_names, clinical[0].tolist(), strict=True))
    assert ctc.tolist() == [[0, 0]]
    assert values == {
        "age": 0,
        "age not stated": 0,
        "sex f": 0.5,
        "sex m": 0.5,
        "sex not stated": 0,
        "location anterior": 0.75,
        "location middle": 0.25,
        "location not stated": 0,
    }
    assert encoding.notes(PatientData()) == (
        "CTC level: not stated; every training case had one, their mean is taken",
        "age: not stated; every training case had one, their mean is taken",
        "sex: not stated; every training case had one, their shares are taken",
        "location: not stated; every training case had one, their shares are taken",
    )


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (patient(), None),
        (patient(ctc_level=None), "CTC level: not stated"),
        (patient(ctc_level=30.0), "CTC level: 30 is outside the training cases' 10 to 14"),
        (patient(age=90.0), "age: 90 is outside the training cases' 40 to 60"),
        (
            patient(location="posterior"),
            "location: 'posterior' is not known from training (anterior, middle); every training case had one, their "
            "shares are taken",
        ),
        (patient(ldh="high"), "clinical_ldh: 'high' is no number"),
        (
            patient(myasthenia="mild"),
            "clinical_myasthenia: 'mild' is not known from training (no, yes); counted as not stated",
        ),
        (patient(stage="II"), "clinical_stage: no training case had one, it has no say"),
    ],
)
def test_what_is_unusual_about_a_new_patient_is_named(given: PatientData, note: str | None) -> None:
    """Missing, outside the range of training, unknown: each is told where the prediction is."""
    notes = [one for one in fit_encoding(PATIENTS).notes(given) if one not in _NOT_STATED_THERE]
    assert notes == ([note] if note else [])


def test_a_column_with_one_value_has_no_say() -> None:
    """Of equal ages the SD is 0; another age must not become a number without bounds."""
    encoding = fit_encoding([PatientData(10.0, 50.0), PatientData(10.0, 50.0)])
    ctc, clinical = encoding.vectors([PatientData(99.0, 90.0)])
    assert ctc.tolist() == [[0, 0]] and clinical[0].tolist() == [0, 0, 1, 1]  # sex and location not stated


def test_levels_that_no_training_case_had_have_no_say() -> None:
    encoding = fit_encoding([PatientData(age=50.0), PatientData(age=60.0)])
    assert encoding.vectors([PatientData(12.0), PatientData()])[0].tolist() == [[0, 0], [0, 0]]
    assert "CTC level: no training case had one, it has no say" in encoding.notes(PatientData(12.0))


def test_it_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    """A new patient, years later, is encoded as the training was, place by place."""
    encoding = fit_encoding([*PATIENTS, lesion(5)])
    again = Encoding.of_json(json.loads(json.dumps(encoding.as_json())), path=tmp_path)
    assert again == encoding
    for one, other in zip(again.vectors(PATIENTS), encoding.vectors(PATIENTS), strict=True):
        assert np.array_equal(one, other)
    damaged = {**encoding.as_json(), "ctc": {"name": "CTC level"}}
    with pytest.raises(BadInputError, match=r"model\.json: is damaged \(encoding\.ctc\.mean is missing\)"):
        Encoding.of_json(damaged, path=Path("model.json"))


def test_texts_that_are_numbers_in_part_are_told() -> None:
    """One "<100" makes categories of all numbers of a column: nobody means that."""
    cases = [replace(lesion(n), clinical={"clinical_ldh": text}) for n, text in enumerate(("200", "<100", "300", ""))]
    assert mixed_columns(cases) == (
        "column clinical_ldh: 1 of 3 texts are no number ('<100'), so each different text is taken for a category; "
        "write numbers alone",
    )
    assert mixed_columns(PATIENTS) == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"ctc_level": -1.0}, "CTC level -1: must be 0 or more"),
        ({"ctc_level": math.nan}, "CTC level nan: must be 0 or more"),
        ({"ctc_level": math.inf}, "CTC level inf: must be 0 or more"),
        ({"age": 140.0}, "age 140: must be 0 to 130 years"),
    ],
)
def test_values_that_no_patient_has_are_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        PatientData(**values)  # type: ignore[arg-type]
