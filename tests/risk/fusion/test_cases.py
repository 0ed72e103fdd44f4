"""Which lesions take part, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import AMTError, SplitLeakageError
from nnunet_amt.risk.fusion.cases import read_lesion_cases
from tests.risk.fusion.lesion_dataset import ROWS, write_lesion_dataset

CONVERT = "and convert the cohort again (nnunet_amt convert)"


def test_cases_have_classes_levels_and_locations(tmp_path: Path) -> None:
    columns = ("diagnosis", "location", "ctc_level", "clinical_myasthenia")
    rows = [
        *ROWS,
        {
            "case_id": "one",
            "diagnosis": "Bronchogenic cyst",
            "location": "Middle mediastinum",
            "ctc_level": "12.5",
            "age": "61",
            "sex": "M",
            "manufacturer": "Siemens",
            "clinical_myasthenia": "yes",
        },
        {"case_id": "other", "diagnosis": "other"},
    ]
    seen: list[int] = []
    cohort = read_lesion_cases(
        write_lesion_dataset(tmp_path, rows, columns=columns), progress=lambda done, total, what: seen.append(done)
    )
    one, other = cohort.cases[-2:]
    assert (one.diagnosis, one.malignant, one.lesion_class) == ("Cyst", False, "Cyst")
    assert (one.location, one.ctc_level, one.age, one.sex, one.manufacturer) == ("middle", 12.5, 61.0, "M", "Siemens")
    assert (one.clinical, other.clinical) == ({"clinical_myasthenia": "yes"}, {"clinical_myasthenia": ""})
    assert one.image == tmp_path / "imagesTr" / "one_0000.nii.gz"
    assert (other.diagnosis, other.malignant, other.class_of("binary")) == ("Others", True, "malignant")
    assert (other.class_of("multiclass"), other.ctc_level, other.location, other.age) == (None, None, None, None)
    assert (len(cohort.classes), cohort.left_out, cohort.excluded) == (14, {}, {})
    assert [len(cohort.of_split(split)) for split in ("training", "tuning", "external")] == [4, 2, 2]
    assert seen == list(range(1, 9))


def test_who_takes_no_part_is_counted_by_reason(tmp_path: Path) -> None:
    """One of exactly 18 years is an adult; of unknown age one may be."""
    rows = [
        *ROWS,
        {"case_id": "empty", "no_tumour": "yes"},
        {"case_id": "child", "diagnosis": "Cyst", "age": "17.9"},
        {"case_id": "adult", "diagnosis": "Cyst", "age": "18"},
        {"case_id": "unknown"},
    ]
    excluded = {"motion artefacts": 3, "no follow-up": 1}
    folder = write_lesion_dataset(tmp_path, rows, columns=("diagnosis", "no_tumour"), excluded=excluded)
    cohort = read_lesion_cases(folder)
    assert cohort.left_out == {"no tumour": ("empty",), "under 18 years": ("child",), "no diagnosis": ("unknown",)}
    assert cohort.cases[-1].case_id == "adult"
    assert cohort.excluded == excluded


def test_a_class_map_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("diagnosis,class,malignant\nneurogenic tumor,Nerve,no\nType B2 thymoma,Thymoma,yes\n")
    rows = [row | {"diagnosis": "Neurogenic tumour"} if "benign" in row["case_id"] else row for row in ROWS]
    cohort = read_lesion_cases(write_lesion_dataset(tmp_path / "data", rows), class_map=own)
    assert cohort.classes == ("Nerve", "Thymoma")
    assert cohort.cases[0].diagnosis == "neurogenic tumor"


def message(folder: Path) -> str:
    with pytest.raises(AMTError) as caught:
        read_lesion_cases(folder)
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in text
    assert "patient-0" not in text
    return text.replace(str(folder), "DATASET")


def test_a_dataset_without_diagnoses_or_cohort_is_refused(tmp_path: Path) -> None:
    assert message(tmp_path) == "DATASET: holds no cohort.csv; give a dataset that nnunet_amt convert has made"
    write_lesion_dataset(tmp_path, [{"case_id": "a"}], columns=())
    assert message(tmp_path) == (
        "DATASET/cohort.csv: has no column 'diagnosis'; write it into the manifest (such as Cyst or Type B2 thymoma) "
        f"{CONVERT}"
    )


def test_all_unknown_diagnoses_are_named_at_once_with_what_would_help(tmp_path: Path) -> None:
    texts = ("thymoma", "Shwannoma", "Castleman disease", "thymoma")
    write_lesion_dataset(tmp_path, [*ROWS, *({"case_id": f"c{n}", "diagnosis": text} for n, text in enumerate(texts))])
    text = message(tmp_path)
    assert text.startswith(
        "DATASET/cohort.csv, column 'diagnosis': 'thymoma' (2 cases: say its type, as in 'Type B2 thymoma' or 'Mixed "
        "thymoma'), 'Shwannoma' (1 case: did you mean 'Schwannoma'?), 'Castleman disease' (1 case) stand in no row of "
        "the paper's class map (Cyst, Granuloma, "
    )
    assert text.endswith(f"Others); correct the manifest {CONVERT}, or give a class map that has them")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            {"ctc_level": "<5"},
            "column 'ctc_level' (case c): is '<5'; it is a limit and no level; write the number that your study takes "
            "for it, the same in every row, or empty the cell",
        ),
        (
            {"ctc_level": "-1"},
            "column 'ctc_level' (case c): is '-1'; it must be a number from 0 up; empty the cell where it was not "
            "measured",
        ),
        (
            {"location": "left"},
            "column 'location' (case c): is 'left'; it must be anterior, middle or posterior; empty the cell if it is "
            "not known",
        ),
        ({"age": "old"}, "column 'age' (case c): is 'old'; it must be a number of years from 0 up"),
        ({"no_tumour": "perhaps"}, "column 'no_tumour' (case c): is 'perhaps'; it must be yes or no"),
        (
            {"split": "test"},
            "column 'split' (case c): is 'test'; it must be training, tuning, external; convert the cohort again",
        ),
    ],
)
def test_cells_that_somebody_has_changed_are_refused(tmp_path: Path, cells: dict[str, str], words: str) -> None:
    row = {"case_id": "c", "diagnosis": "Cyst", **cells}
    write_lesion_dataset(tmp_path, [*ROWS, row], columns=("diagnosis", "location", "ctc_level", "no_tumour"))
    assert message(tmp_path) == f"DATASET/cohort.csv, {words}"


def test_a_diagnosis_beside_another_histology_is_refused(tmp_path: Path) -> None:
    write_lesion_dataset(tmp_path, [*ROWS, {"case_id": "c", "diagnosis": "Cyst", "histology": "lymphoma"}])
    assert message(tmp_path) == (
        "DATASET/cohort.csv, column 'diagnosis' (case c): Cyst contradicts the histology 'lymphoma'; correct one of "
        f"the two cells in the manifest, {CONVERT}"
    )
    write_lesion_dataset(tmp_path, [ROWS[0] | {"who_type": "B1"}, *ROWS[1:]], columns=("diagnosis", "who_type"))
    assert "(case benign_training): Cyst contradicts the who_type 'B1';" in message(tmp_path)


def test_a_split_without_benign_lesions_is_refused(tmp_path: Path) -> None:
    """The tuning set chooses a threshold, and must have both kinds too."""
    rows = [row for row in ROWS if row["case_id"] != "benign_tuning"]
    write_lesion_dataset(tmp_path, [*rows, {"case_id": "none", "split": "tuning"}])
    assert message(tmp_path) == (
        "DATASET/cohort.csv: the tuning set has no benign lesion: 0 benign, 1 malignant, 1 left out (no diagnosis); "
        f"put cases of both into each split, or fill in 'diagnosis', {CONVERT}"
    )


def test_a_dataset_of_external_cases_alone_is_read(tmp_path: Path) -> None:
    assert len(read_lesion_cases(write_lesion_dataset(tmp_path, ROWS[4:])).cases) == 2


def test_a_patient_of_training_and_tuning_is_refused_without_naming_who(tmp_path: Path) -> None:
    rows = [row | {"patient": "patient-0007"} if "benign" in row["case_id"] else row for row in ROWS[:4]]
    write_lesion_dataset(tmp_path, [*rows, *ROWS[4:]])
    with pytest.raises(SplitLeakageError, match=r"cases benign_training \(training\) and benign_tuning \(tuning\) are"):
        read_lesion_cases(tmp_path)
    assert "patient-0" not in message(tmp_path)


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_lesion_dataset(tmp_path)
    (tmp_path / "labelsTs" / "benign_external.nii.gz").unlink()
    assert message(tmp_path) == (
        "DATASET/cohort.csv: labelsTs/benign_external.nii.gz of case benign_external is not there; convert the cohort "
        "again"
    )
