"""A study that came from elsewhere, or was edited: whatever is in its files, a command ends with a result or one line.

| command | what it reads besides images |
|---|---|
| report, figures | summary.json, cases.csv, lesions.csv, tables.json, component_analysis.json; failures.json,
  failure_cases.csv, false_positives.csv; comparison.json; dataset.json, audit.json, cohort.csv,
  cohort_tables.json; plans.json, debug.json; run records |
| compare | summary.json, cases.csv, lesions.csv, case_thresholds.csv, cohort.csv, run records |
| evaluate | cohort.csv, the CSV of a triage |
| study | study.toml, run records |
| score-froc | the .npz of probabilities |
| baseline | dataset.json, the splits, nnU-Net's plans, records, checkpoints; cases.csv, summary.json |
| public-cohort | the tables of boxes, NIfTI, NRRD and DICOM files of a download |
| convert, join-manifests | the manifest and its notes; the key file, case records |
| predict, train, plan, doctor | dataset.json, splits_final.json, plans.json, checkpoints, records |
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.evaluation.comparison import compare
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.dataset_conversion.cohort_fixtures import make_ct, make_mask, write_cohort, write_image
from tests.evaluation.builders import row_mask, write_pair
from tests.evaluation.comparison.evaluations import FIRST, OTHER, write_evaluation
from tests.evaluation.score_froc.test_analyse import write_probabilities
from tests.images.dicom.dicom_fixtures import make_volume, square, write_ct_series, write_rtstruct
from tests.models.model_fixtures import write_model
from tests.mutations import mutations
from tests.report.studies import write_study

runner = CliRunner()
PLACES = 12  # changed in each file
Run = Callable[[], list[str]]


def ends_in_one_line(words: list[str]) -> None:
    """Run a command and see that it ends well, or with one line; an exit code of 0 may come with warnings."""
    result = runner.invoke(app, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 1, 2)
    assert "Traceback" not in result.output
    if result.exit_code:
        errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == (words[0] != "doctor"), result.stderr


def try_all(path: Path, words: list[str], *, before: Callable[[], None] = lambda: None) -> None:
    """Run a command on every mutation of a file, and put the file back."""
    whole = path.read_bytes()
    for name, content in mutations(path, PLACES):
        before()
        path.write_bytes(content)
        try:
            ends_in_one_line(words)
        except AssertionError as error:
            raise AssertionError(f"{path.name}, {name}: {error}") from error
    path.write_bytes(whole)


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with every file that a report reads."""
    study = write_study(tmp_path_factory.mktemp("mutated") / "study")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(
            "nnunet_amt.evaluation.comparison.compare.write_figures", lambda *_, **__: None, raising=False
        )
        shutil.copytree(study / "evaluation", study / "other")
        compare([study / "evaluation", study / "other"], study / "comparison")
    return study


@pytest.fixture
def unpictured(monkeypatch: pytest.MonkeyPatch, undrawn: None) -> None:
    """Leave the pictures of cases out, which take most of the time and read no such file."""
    monkeypatch.setattr("nnunet_amt.report.build.case_pictures", lambda *_, **__: ({}, ()))


EVALUATION = ("summary.json", "cases.csv", "lesions.csv", "tables.json", "nnunet_amt_runs.json")
OF_REPORT = (
    *(f"evaluation/{name}" for name in EVALUATION),
    *(f"evaluation_failures/{name}" for name in ("failures.json", "failure_cases.csv", "false_positives.csv")),
    "comparison/comparison.json",
    *(f"nnUNet_raw/Dataset711_Tiny/{name}" for name in ("dataset.json", "audit.json", "cohort.csv")),
    "nnUNet_raw/Dataset711_Tiny/cohort_tables.json",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_REPORT)
def test_report(whole_study: Path, tmp_path: Path, unpictured: None, name: str) -> None:
    words = ["report", str(whole_study), "--evaluation", "evaluation", "-o", str(tmp_path / "page.html")]
    try_all(whole_study / name, [*words, "--no-viewer"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluation/cases.csv", "evaluation/summary.json", OF_REPORT[-3]])
def test_figures(whole_study: Path, tmp_path: Path, undrawn: None, name: str) -> None:
    words = ["figures", str(whole_study), "--evaluation", "evaluation", "-o", str(tmp_path / "figures")]
    try_all(whole_study / name, words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["summary.json", "cases.csv", "lesions.csv", "case_thresholds.csv", "nnunet_amt_runs.json"]
)
def test_compare(whole_study: Path, tmp_path: Path, undrawn: None, name: str) -> None:
    folders = [str(whole_study / folder) for folder in ("evaluation", "other")]
    try_all(whole_study / "evaluation" / name, ["compare", *folders, "-o", str(tmp_path / "out")])


@pytest.mark.slow
def test_evaluate(whole_study: Path, tmp_path: Path, undrawn: None) -> None:
    dataset = whole_study / "nnUNet_raw" / "Dataset711_Tiny"
    triage = tmp_path / "triage.csv"
    triage.write_text("case_id,lesion,voxels,decision,note\nAMT-0003,1,60,accept,\n")
    words = ["evaluate", str(whole_study / "predictions"), str(dataset / "labelsTs"), "-o", str(tmp_path / "out")]
    try_all(dataset / "cohort.csv", [*words, "--cohort", str(dataset / "cohort.csv")])
    try_all(triage, [*words, "--triage", str(triage)])


@pytest.mark.slow
def test_convert_and_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undrawn: None) -> None:
    manifest = write_cohort(tmp_path / "cohort")
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    words = ["convert", str(manifest), "-d", "711"]
    ends_in_one_line(words)
    try_all(manifest, words)
    for path in sorted([*manifest.parent.glob("*.csv"), *(tmp_path / "raw").glob("*/.nnunet_amt*/*.json")])[:4]:
        if path != manifest:
            try_all(path, words)
    notes = manifest.with_name("manifest.notes.json")
    notes.write_text('{"label_origin": "by hand"}')
    try_all(notes, words)
    joined = ["join-manifests", str(manifest), str(manifest), "-o", str(tmp_path / "joined.csv")]
    try_all(manifest, joined)
    try_all(notes, joined)


@pytest.mark.slow
def test_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, "restored after the test")
    manifest = write_cohort(tmp_path / "cohort")
    study = tmp_path / "study"
    ends_in_one_line(["study", str(manifest), "-o", str(study), "--status"])
    try_all(study / "study.toml", ["study", str(study), "--status"])


@pytest.fixture
def model(planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's fold beside a copy of the planned dataset; nnU-Net is not started."""
    base = tmp_path / "base"
    shutil.copytree(planned_base, base)
    set_nnunet_folders(monkeypatch, base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))

    def not_started(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", not_started)
    yield write_model(tmp_path / "results", base)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plans.json", "dataset.json", "fold_0/checkpoint_best.pth"])
def test_model(model: Path, tmp_path: Path, name: str) -> None:
    monkey_words = ["predict", "711", "--output", str(tmp_path / "out"), "--device", "cpu"]
    for words in (monkey_words, ["doctor", "-d", "711"]):
        whole = (model.parents[1] / name).read_bytes()
        for what, content in mutations(model.parents[1] / name, PLACES):
            (model.parents[1] / name).write_bytes(content)
            result = runner.invoke(app, words)
            assert result.exit_code in (0, 1, 2, 130), (what, result.exception)
            assert result.exception is None or isinstance(result.exception, SystemExit), (what, result.exception)
        (model.parents[1] / name).write_bytes(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        f"nnUNet_raw/{TINY_DATASET}/dataset.json",
        f"nnUNet_raw/{TINY_DATASET}/splits_final.json",
        f"nnUNet_preprocessed/{TINY_DATASET}/splits_final.json",
        f"nnUNet_preprocessed/{TINY_DATASET}/nnUNetAMTPlans.json",
        f"nnUNet_preprocessed/{TINY_DATASET}/dataset_fingerprint.json",
    ],
)
def test_dataset(model: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "base" / name
    for words in (["train", "711", "--restart", "--device", "cpu"], ["doctor", "-d", "711"]):
        whole = path.read_bytes()
        for what, content in mutations(path, PLACES):
            path.write_bytes(content)
            result = runner.invoke(app, words)
            assert result.exit_code in (0, 1, 2, 130), (what, result.exception)
            assert result.exception is None or isinstance(result.exception, SystemExit), (what, result.exception)
        path.write_bytes(whole)


@pytest.mark.slow
def test_score_froc(tmp_path: Path, undrawn: None) -> None:
    write_pair(tmp_path, "a", row_mask(60, (0, 20)), row_mask(60, (0, 20)))
    write_probabilities(tmp_path, "a", row_mask(60, (0, 20)).astype("float32"))
    words = ["score-froc", *(str(tmp_path / name) for name in ("predictions", "references")), "-o", str(tmp_path / "o")]
    ends_in_one_line(words)
    for path in sorted((tmp_path / "predictions").iterdir()):
        try_all(path, words)


def write_mela(folder: Path) -> list[Path]:
    write_image(folder / "Train" / "mela_0001.nii.gz", make_ct(1))
    (folder / "train.csv").write_text(
        "public_id,coordX,coordY,coordZ,x_length,y_length,z_length\nmela_0001,5,3.5,1.5,4,3,2\n"
    )
    return [folder / "train.csv", folder / "Train" / "mela_0001.nii.gz"]


def write_lnq(folder: Path) -> list[Path]:
    base = folder / "train" / "lnq2023-train-0001"
    return [write_image(Path(f"{base}-ct.nrrd"), make_ct(1)), write_image(Path(f"{base}-seg.nrrd"), make_mask())]


def write_nsclc(folder: Path) -> list[Path]:
    write_rtstruct(folder / "LUNG1-001" / "rs.dcm", {"GTV-1": [square(1, (2.5, 6.5), (1.5, 4.5))]})
    return [folder / "LUNG1-001" / "rs.dcm", write_ct_series(folder / "LUNG1-001")[0]]


def write_tcia(folder: Path) -> list[Path]:
    case = "MED_LYMPH_001"
    mask = write_image(
        folder / "MED_ABD_LYMPH_MASKS" / case / f"{case}_mask.nii.gz", (make_volume() > -400).astype("uint8")
    )
    return [mask, write_ct_series(folder / "CT Lymph Nodes" / case / "study")[0]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cohort", "write_download"),
    [
        ("mela2022", write_mela),
        ("lnq2023", write_lnq),
        ("nsclc_radiomics", write_nsclc),
        ("tcia_ct_lymph_nodes", write_tcia),
    ],
)
def test_public_cohort(tmp_path: Path, cohort: str, write_download: Callable[[Path], list[Path]]) -> None:
    files = write_download(tmp_path / "download")
    words = ["public-cohort", cohort, str(tmp_path / "download"), "-o", str(tmp_path / "m.csv")]
    assert runner.invoke(app, words).exit_code == 0
    for path in files:
        try_all(path, words)


def test_compare_of_other_results(tmp_path: Path, undrawn: None) -> None:
    """One damage of each kind, quickly: the whole set is slow."""
    folders = [write_evaluation(tmp_path / name, cases) for name, cases in (("a", FIRST), ("b", OTHER))]
    words = ["compare", *map(str, folders), "-o", str(tmp_path / "out")]
    path = folders[0] / "cases.csv"
    for name, content in list(mutations(path, 0)):
        path.write_bytes(content)
        ends_in_one_line(words)
        assert name
