"""Public cohorts together become a dataset; each alone is one institution, which no split can divide."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.cohort import read_manifest
from nnunet_amt.dataset_conversion import ConversionSettings, convert
from nnunet_amt.dataset_conversion.public import lnq2023, mela2022
from nnunet_amt.dataset_conversion.public.public_cohort import as_case_id, join_manifests, notes_path, read_notes
from nnunet_amt.errors import ManifestError
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.dataset_conversion.public.public_fixtures import masks

pytestmark = pytest.mark.usefixtures("without_figure")


def write_public_cohorts(folder: Path) -> Path:
    """Three cases of MELA 2022 and two of LNQ2023, in folders of their own; give the joint manifest."""
    rows = [",".join(mela2022.BOX_COLUMNS)]
    for number in range(3):
        write_image(folder / "MELA" / f"mela_000{number}.nii.gz", make_ct(number))
        rows.append(f"mela_000{number},5,3.5,1.5,4,3,2")
    (folder / "MELA" / "train.csv").write_text("\n".join(rows))
    for number, part in enumerate(("train", "val"), start=3):
        name = folder / "LNQ" / part / f"lnq2023-{part}-0001"
        write_image(Path(f"{name}-ct.nrrd"), make_ct(number))
        write_image(Path(f"{name}-seg.nrrd"), make_mask())
    mela = mela2022.write_manifest(folder / "MELA", folder / "MELA" / "mela.csv", shape="ellipsoid")
    lnq = lnq2023.write_manifest(folder / "LNQ", folder / "lnq.csv")
    return join_manifests([mela, lnq], folder / "both" / "cohort.csv")


def test_joined_cohorts_become_one_dataset_with_the_ignore_label(tmp_path: Path) -> None:
    """LNQ2023 is the external institution; of its cases the one that was annotated in part has label 2."""
    manifest = write_public_cohorts(tmp_path)
    (tmp_path / "external.txt").write_text("LNQ2023\n")
    settings = ConversionSettings(tuning_cases=1, external_institutions=tmp_path / "external.txt", keep_case_ids=True)
    folder = convert(manifest, tmp_path / "raw", dataset_id=711, settings=settings).dataset_folder
    description = json.loads((folder / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "tumour": 1, "ignore": 2}
    assert description["label_origin"] == read_notes(manifest)["label_origin"]
    assert description["cohort_reference"] == read_notes(manifest)["cohort_reference"]
    assert "Label 2 marks what nobody has annotated" in description["description"]
    assert len(list((folder / "labelsTr").iterdir())) == 3
    labels = {path.name: sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in (folder / "labelsTs").iterdir()}
    assert np.unique(labels["lnq2023-val-0001.nii.gz"]).tolist() == [0, 1]
    assert np.unique(labels["lnq2023-train-0001.nii.gz"]).tolist() == [1, 2]


def test_a_joint_manifest_finds_the_files_of_its_parts_and_keeps_their_notes(tmp_path: Path) -> None:
    manifest = write_public_cohorts(tmp_path)
    assert len(masks(manifest)) == 5
    origin = read_notes(manifest)["label_origin"]
    assert "MELA 2022: Labels are ellipsoids" in origin
    assert "LNQ2023: Labels are mediastinal lymph nodes" in origin
    assert "lnq:" not in origin  # a file's name may be a patient's


def test_phantoms_joined_with_patients_are_not_called_phantoms_alone(tmp_path: Path) -> None:
    drawn, real = write_cohort(tmp_path / "drawn"), write_cohort(tmp_path / "real")
    notes_path(drawn).write_text('{"subjects": "phantoms"}')
    real.write_text(real.read_text().replace("\nc", "\nreal-").replace("Patient-", "Other-"))
    joint = join_manifests([drawn], tmp_path / "a" / "cohort.csv")
    assert read_notes(joint) == {"subjects": "phantoms"}
    joint = join_manifests([drawn, real], tmp_path / "b" / "cohort.csv")
    assert read_notes(joint) == {"subjects": "patients and phantoms"}


def test_a_linked_image_keeps_its_name_in_the_joint_manifest(tmp_path: Path) -> None:
    """git-annex calls what its links lead to by a checksum, without an ending that tells the format."""
    manifest = write_cohort(tmp_path / "own")
    image = tmp_path / "own" / "ct" / "0.nii.gz"
    image.rename(tmp_path / "MD5-s600--c0ffee")
    image.symlink_to(tmp_path / "MD5-s600--c0ffee")
    joint = join_manifests([manifest], tmp_path / "both" / "cohort.csv")
    assert len(masks(joint)) == 4


def test_case_ids_are_such_as_the_manifest_takes() -> None:
    """nnU-Net adds _0000 to the names of images: a case must not end like it."""
    assert as_case_id("mela_0001") == "mela-0001"
    assert as_case_id("P 1 (new)") == "P_1__new"
    assert as_case_id("MED_LYMPH_001") == "MED_LYMPH_001"


def test_notes_that_are_none_are_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "cohort.csv"
    assert read_notes(manifest) == {}
    for content in ("{", "[1]", '{"label_origin": 3}'):
        notes_path(manifest).write_text(content)
        with pytest.raises(ManifestError, match=r"cohort\.notes\.json: "):
            read_notes(manifest)


def test_notes_beside_a_manifest_are_told_in_the_dataset_and_nothing_else_of_them(tmp_path: Path) -> None:
    """What a note says must not change how nnU-Net reads the dataset."""
    manifest = write_cohort(tmp_path)
    notes = {"label_origin": "Drawn by hand.", "cohort_reference": "doi:10.1/x", "labels": "none", "patient": "Doe"}
    notes_path(manifest).write_text(json.dumps(notes))
    folder = convert(manifest, tmp_path / "raw", dataset_id=711).dataset_folder
    description = json.loads((folder / "dataset.json").read_text())
    assert (description["label_origin"], description["cohort_reference"]) == ("Drawn by hand.", "doi:10.1/x")
    assert description["subjects"] == "patients"
    assert description["labels"] == {"background": 0, "tumour": 1}
    assert "patient" not in description


def test_the_papers_patients_do_not_stand_beside_phantoms(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path)
    notes_path(manifest).write_text('{"subjects": "Phantoms"}')
    folder = convert(manifest, tmp_path / "raw", dataset_id=711).dataset_folder
    assert json.loads((folder / "dataset.json").read_text())["subjects"] == "phantoms"
    for name in ("table1.md", "table2.csv", "cohort_tables.json"):
        assert "ublished" not in (folder / name).read_text()


def test_without_notes_the_dataset_claims_no_origin(tmp_path: Path) -> None:
    folder = convert(write_cohort(tmp_path), tmp_path / "raw", dataset_id=711).dataset_folder
    assert {"label_origin", "cohort_reference"}.isdisjoint(json.loads((folder / "dataset.json").read_text()))


def test_bad_notes_stop_the_conversion_before_anything_is_written(tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path)
    notes_path(manifest).write_text("{")
    with pytest.raises(ManifestError, match=r"manifest\.notes\.json: is no JSON"):
        convert(manifest, tmp_path / "raw", dataset_id=711)
    assert not (tmp_path / "raw").exists()


def test_other_tables_cannot_be_joined(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("case_id,image\n")
    with pytest.raises(ManifestError, match=r"other\.csv line 1, column 'patient_id': is missing"):
        join_manifests([tmp_path / "other.csv"], tmp_path / "both.csv")
    (tmp_path / "empty.csv").write_text("")
    for name, problem in (("empty.csv", "column 'case_id': is missing"), ("none.csv", "cannot be read")):
        with pytest.raises(ManifestError, match=f"{name[:-4]}.*{problem}"):
            join_manifests([tmp_path / name], tmp_path / "both.csv")


def test_manifests_that_a_spreadsheet_has_saved_are_joined(tmp_path: Path) -> None:
    """With semicolons in UTF-16, and without the empty cells at the end of a row; the paths lead from the new place."""
    text = "sep=;\ncase_id;patient_id;institution;image;mask;split;age\nc1;p1;Süd;ct/1.nii;m/1.nii;training;61,5\n"
    (tmp_path / "own.csv").write_bytes((text + "c2;p2;Nord;ct/2.nii;m/2.nii;tuning\n").encode("utf-16"))
    joint = join_manifests([tmp_path / "own.csv"], tmp_path / "both" / "cohort.csv")
    first, second = read_manifest(joint).cases
    assert (first.institution, first.age, first.image.resolve()) == ("Süd", 61.5, (tmp_path / "ct" / "1.nii").resolve())
    assert (second.institution, second.age, second.split) == ("Nord", None, "tuning")
