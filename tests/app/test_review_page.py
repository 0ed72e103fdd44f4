"""A case with its mask: what is seen is what will be trained on, nobody is named, a mask goes out and comes back."""

from __future__ import annotations

import csv
import gzip
import html
import io
import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image, ImageColor
from pydicom.dataset import Dataset

from nnunet_amt.app.security import FORM_BYTES, upload_limit
from nnunet_amt.app.seen_cases import StudyCases
from nnunet_amt.cohort.reviews import read_reviews
from nnunet_amt.study.run_study import open_study
from nnunet_amt.writing.figure_style import ORANGE
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.images.dicom.dicom_fixtures import square, write_ct_series, write_rtstruct

if TYPE_CHECKING:
    from starlette.testclient import TestClient

NOBODY = "TAKAHASHI^HANAKO"


def larger_mask() -> np.ndarray:
    """Give the 24 voxels of `make_mask` and 12 more on the slice above: Dice 2 * 24 / (24 + 36) = 0.8."""
    mask = make_mask()
    mask[3] = mask[2]
    return mask


@pytest.fixture
def study(folder: Path) -> Path:
    """Four cases; c0 has the mask of a second reader, c1 a mask of another grid, c2 a patient's id as its own."""
    study = folder / "one"
    write_image(study / "masks_2" / "0.nii.gz", larger_mask())
    cells = {0: {"mask_2": "masks_2/0.nii.gz"}, 2: {"case_id": "Patient-2"}}
    manifest = write_cohort(study, cells)
    write_image(study / "masks" / "1.nii.gz", make_mask(), spacing=(0.8, 0.7, 3.0))
    settings = open_study(study, manifest=manifest)
    assert settings
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(re.sub(r"^keep_intensities = false", "keep_intensities = true", text, flags=re.M))
    return study


def addresses(client: TestClient, study: Path) -> list[str]:
    """Give the addresses of the links in the rows of the table."""
    page = client.get(f"/studies/{study.name}/cases").text
    return re.findall(rf'href="(/studies/{study.name}/reviews/\w+)"', page)


def mask_in(page: str) -> str:
    found = re.search(r'name="mask" value="(\w+)"', page)
    assert found, page
    return found[1]


def say(client: TestClient, address: str, **words: str) -> Any:
    usual = {"role": "reviewer", "initials": "BB", "verdict": "right", "note": "", "then": "stay"}
    data = {**usual, "mask": mask_in(client.get(address).text), **words}
    return client.post(f"{address}/verdict", data=data)


def send(client: TestClient, address: str, path: Path, **words: str) -> Any:
    data = {"initials": "AA", "note": "", "mask": mask_in(client.get(address).text), **words}
    return client.post(f"{address}/edited-mask", data=data, files={"file": (path.name, path.read_bytes())})


def reading(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the cases whose voxels are read from here on."""
    read: list[str] = []
    original = StudyCases.read

    def noted(self: StudyCases, case: Any) -> Any:
        read.append(case.case_id)
        return original(self, case)

    monkeypatch.setattr(StudyCases, "read", noted)
    return read


def row_of(study: Path, case_id: str) -> Mapping[str, str]:
    with (study / "manifest.csv").open(newline="") as file:
        return next(row for row in csv.DictReader(file) if row["case_id"] == case_id)


def test_each_row_of_the_table_leads_to_its_case_by_an_address_that_names_nobody(
    client: TestClient, study: Path
) -> None:
    """The address of a case stays when rows before it go."""
    found = addresses(client, study)
    assert len(found) == 4
    assert all(re.fullmatch(r"/studies/one/reviews/[0-9a-f]{12}", address) for address in found)
    page = client.get(found[0])
    assert page.status_code == 200
    assert "Mask of c0" in page.text
    lines = (study / "manifest.csv").read_text().splitlines(keepends=True)
    (study / "manifest.csv").write_text("".join([lines[0], *lines[2:]]))
    assert addresses(client, study) == found[1:]
    assert client.get(found[0]).status_code == 404


def test_a_case_that_is_called_by_its_patient_is_called_by_its_line(client: TestClient, study: Path) -> None:
    address = addresses(client, study)[2]
    page = client.get(address)
    assert "Patient-2" not in page.text
    assert "Mask of the case in line 4" in page.text
    answer = client.get(f"{address}/edit.zip")
    assert "Patient-2" not in str(answer.headers)
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert not any("Patient" in name for name in names)
    assert "Patient-2" not in client.get("/studies/one/reviews").text


def test_the_slice_that_is_shown_is_that_of_the_files(client: TestClient, study: Path) -> None:
    """Slice 2 holds the tumour: the orange outline is drawn there, not on slice 1, nor where outlines are hidden."""
    address = addresses(client, study)[3]

    def orange(query: str) -> int:
        answer = client.get(f"{address}/slice.png?{query}")
        assert answer.headers["content-type"] == "image/png"
        pixels = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
        return int(np.count_nonzero((pixels == ImageColor.getrgb(ORANGE)).all(axis=-1)))

    assert orange("slice=2") > 100
    assert orange("slice=1") == orange("slice=2&masks=0") == 0
    assert 'value="2"' in re.findall(r'<input id="slice".*?>', client.get(address).text)[0]


def test_the_place_of_the_picture_is_kept_until_it_comes(client: TestClient, study: Path) -> None:
    """11 x 9 voxels of 0.8 x 0.7 mm are 8.8 x 6.3 mm, so 768 x 549.8 pixels."""
    address = addresses(client, study)[3]
    assert ' width="768" height="550" alt=' in client.get(address).text
    assert Image.open(io.BytesIO(client.get(f"{address}/slice.png?slice=2").content)).size == (768, 550)


def test_the_files_for_the_viewer_are_those_that_training_gets(client: TestClient, study: Path, tmp_path: Path) -> None:
    address = addresses(client, study)[0]
    for name, expected in (("ct.nii", np.maximum(make_ct(0), -1024)), ("mask.nii", make_mask())):
        path = tmp_path / name
        path.write_bytes(client.get(f"{address}/{name}").content)
        image = sitk.ReadImage(str(path))
        assert np.array_equal(sitk.GetArrayFromImage(image), expected)
        assert image.GetSpacing() == pytest.approx((0.8, 0.7, 5.0))
    assert client.get(f"{address}/manifest.csv").status_code == 404
    assert client.get(f"{address}/..%2f..%2fsecret").status_code == 404


def test_a_mask_that_does_not_fit_is_refused_in_the_words_of_the_conversion(client: TestClient, study: Path) -> None:
    page = client.get(addresses(client, study)[1])
    assert page.status_code == 200
    text = html.unescape(page.text)
    assert "could not be trained on" in text
    assert "does not lie on the grid of the CT: spacing (0.8, 0.7, 3) against (0.8, 0.7, 5)" in text
    assert 'name="verdict"' not in text
    assert "the field ROI of the row offers their names" in text


def test_a_file_outside_of_the_opened_folder_is_not_read(client: TestClient, study: Path, tmp_path: Path) -> None:
    outside = write_image(tmp_path / "outside.nii.gz", make_mask())
    (study / "masks" / "3.nii.gz").unlink()
    (study / "masks" / "3.nii.gz").symlink_to(outside)
    assert "lies outside the opened folder" in client.get(addresses(client, study)[3]).text


def test_a_word_of_a_reader_is_kept_and_the_reader_is_known_at_the_next_case(client: TestClient, study: Path) -> None:
    first, _, third, _ = addresses(client, study)
    answer = say(client, first, initials="bb", note="well drawn", then="next")
    assert answer.url.path in addresses(client, study)
    assert answer.url.path != first
    [review] = read_reviews(study / "reviews.csv")
    assert (review.case_id, review.role, review.initials, review.verdict, review.note) == (
        "c0", "reviewer", "BB", "right", "well drawn",
    )  # fmt: skip
    assert 'value="BB"' in client.get(third).text
    page = client.get(first).text
    assert "reviewed once" in page
    assert "well drawn" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"initials": "B"}, "Give your initials as 2 to 4 letters"),
        ({"verdict": "wrong"}, "Say in the note what is wrong"),
        ({"verdict": "maybe"}, "Say whether the mask looks right or is wrong."),
        ({"note": "as in patient-0"}, "The note holds the patient's id"),
        ({"mask": "0" * 32}, "has changed since this page was loaded"),
    ],
)
def test_what_is_refused_is_said_and_what_was_typed_stays(
    client: TestClient, study: Path, words: dict[str, str], sentence: str
) -> None:
    answer = say(client, addresses(client, study)[0], **{"note": "", **words})
    assert answer.status_code == 400
    assert sentence in html.unescape(answer.text)
    assert not (study / "reviews.csv").exists()
    assert words.get("note", "") in html.unescape(answer.text)


def test_two_servers_and_two_tabs_lose_no_word(client: TestClient, study: Path) -> None:
    """Both tabs were loaded before either was sent."""
    address = addresses(client, study)[0]
    mask = mask_in(client.get(address).text)
    for initials in ("BB", "CC"):
        assert say(client, address, initials=initials, mask=mask).status_code == 200
    assert [review.initials for review in read_reviews(study / "reviews.csv")] == ["BB", "CC"]
    refused = say(client, address, initials="DD", mask=mask)
    assert "Two reviewers have looked at this mask already: BB, CC" in refused.text


def test_the_masks_of_two_readers_are_measured_against_each_other(client: TestClient, study: Path) -> None:
    """24 and 36 voxels of 2.8 mm3: 0.0672 and 0.1008 cm3; the second reaches one slice, 5 mm, further."""
    page = client.get(addresses(client, study)[0]).text
    table = page[page.index('id="second"') :]
    cells = re.findall(r'<td class="figure-cell">([^<]*)</td>', table)
    assert cells == ["0.1", "0.1", "+0.0", "1", "1", "0", "0.800", "5.0"]


def test_the_zip_holds_both_on_one_grid_and_says_how_to_go_on(client: TestClient, study: Path, tmp_path: Path) -> None:
    answer = client.get(f"{addresses(client, study)[0]}/edit.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.namelist() == ["c0_ct.nii.gz", "c0_mask.nii.gz", "README.txt"]
        assert {one.date_time[0] for one in packed.infolist()} == {1980}
        readme = packed.read("README.txt").decode()
        packed.extractall(tmp_path / "zip")
    assert len(readme.splitlines()) == 1
    assert "Open c0_ct.nii.gz as the CT and c0_mask.nii.gz as the segmentation" in readme
    ct, mask = (sitk.ReadImage(str(tmp_path / "zip" / f"c0_{name}.nii.gz")) for name in ("ct", "mask"))
    assert ct.GetSize() == mask.GetSize()
    assert ct.GetOrigin() == mask.GetOrigin()
    assert ct.GetDirection() == mask.GetDirection()
    assert np.array_equal(sitk.GetArrayFromImage(mask), make_mask())


def test_an_edited_mask_comes_back_and_what_changed_is_measured(
    client: TestClient, study: Path, tmp_path: Path
) -> None:
    """The old file stays; the new one is in the table, to be taken back; its annotator is who sent it."""
    address = addresses(client, study)[3]
    say(client, address, initials="BB", verdict="wrong", note="too small")
    before = (study / "masks" / "3.nii.gz").read_bytes()
    edited = write_image(tmp_path / "edited.nrrd", larger_mask() * 2)
    page = send(client, address, edited, note="one slice more").text
    assert "The new mask is in the table: masks/c3_r1.nii.gz." in page
    assert row_of(study, "c3")["mask"] == "masks/c3_r1.nii.gz"
    assert (study / "masks" / "3.nii.gz").read_bytes() == before
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(study / "masks/c3_r1.nii.gz"))), larger_mask())
    _, review = read_reviews(study / "reviews.csv")
    assert (review.role, review.initials, review.note) == ("annotator", "AA", "one slice more")
    assert review.change is not None
    found = review.change.difference
    assert (found.dice, found.volumes_cm3, found.lesions, found.largest_distance_mm) == (
        0.8, (0.067, 0.101), (1, 1), 5.0,
    )  # fmt: skip
    assert "annotated" in page
    assert "(volume 0.1 → 0.1 cm³, Dice 0.800, largest distance 5.0 mm)" in page
    assert "is the annotator of this mask" in say(client, address, initials="AA").text
    assert say(client, address, initials="BB").status_code == 200

    digest = re.search(r'name="digest" value="(\w+)"', client.get("/studies/one/cases").text)
    assert digest
    client.post("/studies/one/cases/undo", data={"digest": digest[1]})
    assert row_of(study, "c3")["mask"] == "masks/3.nii.gz"
    assert "wrong, to be mended" in client.get(address).text  # what was said of the old mask holds again


def test_a_second_edit_never_writes_over_the_first(client: TestClient, study: Path, tmp_path: Path) -> None:
    address = addresses(client, study)[3]
    (study / "masks" / "c3_r1.nii.gz").write_bytes(b"somebody's file")
    send(client, address, write_image(tmp_path / "a.nii.gz", larger_mask()))
    send(client, address, write_image(tmp_path / "b.nii.gz", make_mask()))
    assert (study / "masks" / "c3_r1.nii.gz").read_bytes() == b"somebody's file"
    assert row_of(study, "c3")["mask"] == "masks/c3_r3.nii.gz"
    assert (study / "masks" / "c3_r2.nii.gz").is_file()


@pytest.mark.parametrize(
    ("array", "changes", "sentence"),
    [
        (larger_mask(), {"spacing": (0.8, 0.7, 3.0)}, "spacing (0.8, 0.7, 3) against (0.8, 0.7, 5)"),
        (np.zeros((4, 9, 11), np.uint8), {}, "The mask is empty, but its row says that there is a tumour."),
        (make_mask(), {}, "This mask is the same as the one in place"),
        (larger_mask() + make_mask(), {}, "holds 2 labels (1, 2), must hold one"),
    ],
)
def test_an_edited_mask_that_cannot_be_is_refused_and_nothing_changes(
    client: TestClient, study: Path, tmp_path: Path, array: np.ndarray, changes: dict, sentence: str
) -> None:
    address = addresses(client, study)[3]
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    answer = send(client, address, write_image(tmp_path / "edited.nii.gz", array, **changes), note="a note")
    assert answer.status_code == 400
    assert sentence in html.unescape(answer.text)
    assert "a note" in answer.text
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before


def test_hostile_files_are_refused_on_the_page(client: TestClient, study: Path, tmp_path: Path) -> None:
    """Their names are neither shown nor followed; what each holds is tried in test_sent_mask.py."""
    address = addresses(client, study)[3]
    for name, content in (
        ("../../../evil.nii.gz", b"no image"),
        ("<script>.nrrd", b"NRRD0004\ndata file: /etc/hostname\n\n"),
        ("bomb.nii.gz", gzip.compress(bytes(50_000_000))),
        ("mask.exe", b"MZ"),
        ("", b""),
    ):
        data = {"initials": "AA", "note": "", "mask": mask_in(client.get(address).text)}
        answer = client.post(f"{address}/edited-mask", data=data, files={"file": (name, content)})
        assert answer.status_code == 400
        assert "<script>.nrrd" not in answer.text
        assert "Traceback" not in answer.text
    assert not (study / "reviews.csv").exists()
    assert sorted(path.name for path in study.iterdir() if path.is_dir()) == ["ct", "masks", "masks_2"]


def test_a_mask_of_a_row_without_a_tumour_must_be_empty(client: TestClient, study: Path, tmp_path: Path) -> None:
    text = (study / "manifest.csv").read_text().replace("mask_2\n", "mask_2,no_tumour\n")
    (study / "manifest.csv").write_text(text.replace("masks/3.nii.gz,training,", ",training,,yes"))
    address = addresses(client, study)[3]
    assert client.get(address).status_code == 200
    answer = send(client, address, write_image(tmp_path / "edited.nii.gz", larger_mask()))
    assert "its row says that there is none" in answer.text


def test_a_mask_is_not_put_in_place_when_the_table_has_changed(
    client: TestClient, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of the table and its change somebody else changes it: no file and no word are left."""
    address = addresses(client, study)[3]
    read = StudyCases.read

    def slow(self: StudyCases, case: Any) -> Any:
        found = read(self, case)
        if case.mask.name == "c3_r1.nii.gz":
            (study / "manifest.csv").write_text((study / "manifest.csv").read_text() + "\n")
        return found

    monkeypatch.setattr(StudyCases, "read", slow)
    answer = send(client, address, write_image(tmp_path / "edited.nii.gz", larger_mask()))
    assert "was changed since this page was loaded" in answer.text
    assert not (study / "masks" / "c3_r1.nii.gz").exists()
    assert not (study / "reviews.csv").exists()


def test_a_table_takes_the_old_mask_back_when_the_record_cannot_be_written(
    client: TestClient, study: Path, tmp_path: Path
) -> None:
    address = addresses(client, study)[3]
    data = {"initials": "AA", "note": "", "mask": mask_in(client.get(address).text)}
    (study / "reviews.csv").write_text("somebody's table\n1\n")
    edited = write_image(tmp_path / "edited.nii.gz", larger_mask())
    answer = client.post(f"{address}/edited-mask", data=data, files={"file": ("a.nii.gz", edited.read_bytes())})
    assert answer.status_code == 400
    assert row_of(study, "c3")["mask"] == "masks/3.nii.gz"
    assert not (study / "masks" / "c3_r1.nii.gz").exists()


def test_nothing_identifying_of_a_series_is_shown_or_saved(client: TestClient, folder: Path) -> None:
    """The folder, every header and the ROI are called by the patient; page, pictures, zip and cache are not."""
    study = folder / "dicom"
    (study).mkdir()

    def name(_: int, dataset: Dataset) -> None:
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NOBODY, "MRN-4711", "19610203"
        dataset.InstitutionName = "St. Nowhere"

    volume = np.random.default_rng(3).integers(-1000, 1500, (6, 10, 12)).astype(np.int16)
    write_ct_series(study / NOBODY, volume, change=name)
    write_rtstruct(study / f"{NOBODY}.dcm", {"GTV": [square(2, (2, 6), (2, 6))]})
    header = "case_id,patient_id,institution,image,mask\n"
    (study / "manifest.csv").write_text(f"{header}a1,MRN-4711,North,{NOBODY},{NOBODY}.dcm\n")
    open_study(study, manifest=study / "manifest.csv")
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(re.sub(r"^keep_intensities = false", "keep_intensities = true", text, flags=re.M))
    [address] = addresses(client, study)
    page = client.get(address)
    assert 'name="verdict"' in page.text, page.text
    files = [client.get(f"{address}/{one}") for one in ("slice.png", "ct.nii", "mask.nii", "edit.zip")]
    assert [answer.status_code for answer in files] == [200] * 4
    with zipfile.ZipFile(io.BytesIO(files[-1].content)) as packed:
        inner = [gzip.decompress(packed.read(one)) for one in packed.namelist() if one.endswith(".gz")]
        names = "".join(packed.namelist()).encode() + packed.read("README.txt")
    kept = [path for path in (folder / ".nnunet_amt_app").rglob("*") if path.is_file()]
    told = [page.content, *(answer.content + str(answer.headers).encode() for answer in files), *inner, names]
    told += [client.get("/studies/dicom/reviews").content, *(path.read_bytes() for path in kept)]
    told += ["".join(map(str, kept)).encode()]
    for secret in ("TAKAHASHI", "HANAKO", "MRN-4711", "19610203", "Nowhere"):
        assert not any(secret.encode() in content for content in told), secret


def test_what_was_read_is_read_once_and_again_when_a_file_changes(
    client: TestClient, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the voxels of no more than eight cases are kept."""
    address = addresses(client, study)[3]
    read = reading(monkeypatch)
    for _ in range(3):
        client.get(address)
        client.get(f"{address}/slice.png?slice=3")
    assert read == ["c3"]
    first = mask_in(client.get(address).text)
    for number in range(9):
        mask = make_mask()
        mask[0, 0, number] = 1
        time.sleep(0.01)
        write_image(study / "masks" / "3.nii.gz", mask)
        client.get(address)
    assert read == ["c3"] * 10
    assert mask_in(client.get(address).text) != first
    assert len(list((study.parent / ".nnunet_amt_app" / "seen" / "one" / "voxels").iterdir())) == 8


def test_two_rows_of_one_id_are_not_looked_at(client: TestClient, study: Path) -> None:
    """Nobody could tell of which of them something was said."""
    with (study / "manifest.csv").open("a") as file:
        file.write("C3,P9,North,ct/2.nii.gz,masks/2.nii.gz,training,\n")
    assert len(addresses(client, study)) == 3


def test_a_large_mask_may_be_sent_to_the_page_of_a_case_and_nowhere_else() -> None:
    """A mask of 512 x 512 x 500 voxels in 16 bits, not compressed, has 262 MB."""
    assert upload_limit("/studies/one/reviews/0123456789ab/edited-mask") > 262_144_000
    for other in ("/studies/one/reviews/0123456789ab/verdict", "/studies/one/cases/import", "/x/edited-mask"):
        assert upload_limit(other) == FORM_BYTES


def test_the_next_case_is_read_ahead(client: TestClient, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that it cannot be read is said when it is asked for."""
    read = reading(monkeypatch)
    found = addresses(client, study)
    assert client.get(found[2]).status_code == 200
    assert read == ["Patient-2", "c3"]
    assert client.get(found[0]).status_code == 200  # c1 does not fit its CT
    assert read == ["Patient-2", "c3", "c0", "c1"]


def test_both_languages_have_the_page(client: TestClient, study: Path) -> None:
    address = addresses(client, study)[0]
    assert "c0 のマスク" in client.get(f"{address}?lang=ja").text
    assert (
        "として開いて修正し"
        in zipfile.ZipFile(io.BytesIO(client.get(f"{address}/edit.zip?lang=ja").content)).read("README.txt").decode()
    )
