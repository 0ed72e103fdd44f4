"""The page of results: what stands in the files stands on it, and what is lacking is said. Figures are blank here."""

from __future__ import annotations

import csv
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnunet_amt.app import results_files, results_page
from nnunet_amt.app.jobs import JobStore, job_store
from nnunet_amt.app.patient_runs import new_run
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import read_settings
from tests.app.stand_ins import python, wait_for
from tests.app.test_new_patient import RESULT
from tests.report.studies import PageReader, write_study

if TYPE_CHECKING:
    from starlette.testclient import TestClient

SAME_SITE = {"origin": "http://127.0.0.1:8123"}
RESULTS = "/studies/mine/results"


def begun(folder: Path) -> Path:
    open_study(folder, manifest=folder / "manifest.csv", changes={"study": {"name": "Tiny"}})
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three patients: one outlined whole, one half, one missed with a false alarm elsewhere."""
    return begun(write_study(tmp_path_factory.mktemp("made") / "mine"))


@pytest.fixture
def study(made: Path, folder: Path) -> Path:
    shutil.copytree(made, folder / "mine")
    return folder / "mine"


@pytest.fixture
def store(folder: Path) -> Iterator[JobStore]:
    store = job_store(folder.resolve())
    yield store
    for job in store.jobs():
        store.stop(job.id)
    wait_for(lambda: all(job.is_over for job in store.jobs()))


def metrics(folder: Path) -> list[dict[str, str]]:
    """Read metrics.csv by itself, not by our code."""
    with (folder / "evaluation" / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_cells(page: str, marker: str) -> list[list[str]]:
    """The texts of the body's rows of the table that begins after a text."""
    body = page.partition(marker)[2].partition("<tbody>")[2].partition("</tbody>")[0]
    rows = []
    for row in body.split("<tr")[1:]:
        texts = [cell.partition(">")[2].partition("</t")[0] for cell in row.replace("<th", "<td").split("<td")[1:]]
        rows.append([text.strip() for text in texts])
    return rows


def test_the_figures_are_those_of_the_files(client: TestClient, study: Path) -> None:
    """The mean Dice of 1, 2/3 and 0 is 0.56; read again from metrics.csv, as are the other figures."""
    page = client.get(RESULTS)
    assert page.status_code == 200
    whole = {(row["metric"], row["iou_threshold"]): row for row in metrics(study) if row["group"] == "overall"}
    assert f"{float(whole['dice', '']['mean']):.2f}" == "0.56"
    shown = page.text.partition('class="key-figures"')[2].partition("</ul>")[0]
    for key in (("dice", ""), ("sensitivity", "0.1"), ("fp_per_scan", "0.1"), ("sensitivity", "0.5")):
        assert f'key-value">{float(whole[key]["mean"]):.2f}<' in shown
    assert "no interval: withheld below 20 cases" in shown
    overall, published = table_cells(page.text, "form of Table 3")[:2]
    assert overall[:2] == ["Overall", "3"]
    assert overall[2].startswith("0.56±")
    assert published[:2] == ["published", "164"]
    assert published[2].startswith("0.82±")


def test_subgroups_are_picked_and_small_ones_have_no_interval(client: TestClient, study: Path) -> None:
    page = client.get(f"{RESULTS}?by=histology").text
    assert '<option value="histology" selected>Histology' in page
    rows = {row[0]: row[1:] for row in table_cells(page, 'id="subgroup-table"') if row[0] != "published"}
    told = {row["subgroup"]: row for row in metrics(study) if (row["group"], row["metric"]) == ("histology", "dice")}
    assert told.keys() == {"thymoma", "lymphoma"} <= rows.keys()
    for name, row in told.items():
        assert rows[name][0] == row["cases"]
        assert rows[name][2].startswith(f"{float(row['mean']):.2f}")
        assert rows[name][2].endswith("(–)")
    assert "withheld in groups of fewer than 20 cases" in page
    assert "Such groups here: 2." in page
    assert '<option value="manufacturer" selected>' in client.get(f"{RESULTS}?by=<b>").text  # the first


def test_the_worst_cases_come_first_with_how_they_failed(client: TestClient, study: Path) -> None:
    page = client.get(RESULTS).text.partition('id="worst"')[2].partition('id="threshold"')[0]
    first = page.partition("<article")[2].partition("</article>")[0]
    assert "AMT-0003: Dice 0.00" in first
    assert "missed completely" in first
    assert "/report#view-" not in page  # there is no report yet
    (study / "report.html").write_text("<title>result</title>")
    page = client.get(RESULTS).text
    assert 'href="/studies/mine/report#view-AMT-0003"' in page
    assert ">Open the report</a>" in page and ">Save the report</a>" in page
    picture = client.get(f"{RESULTS}/cases/AMT-0003/picture.png")
    assert picture.content.startswith(b"\x89PNG")
    assert client.get(f"{RESULTS}/cases/AMT-9999/picture.png").status_code == 404


def test_a_case_is_found_again_in_the_table(client: TestClient, study: Path) -> None:
    """The results name it by a pseudonym; its own name, and the page where its mask is reviewed, stand beside."""
    columns = "case_id,patient_id,institution,image,mask,split"
    (study / "manifest.csv").write_text(f"{columns}\nNorth_7,MRN-1,North,c.nii.gz,m.nii.gz,external\n")
    for name in ("c", "m"):
        (study / f"{name}.nii.gz").write_bytes(b"content")
    assert "North_7" not in client.get(RESULTS).text
    (study / "manifest_key.csv").write_text("kind,name,pseudonym\ncase,North_7,AMT-0003\n")
    page = client.get(RESULTS).text
    first = page.partition("<article")[2].partition("</article>")[0]
    assert "In your table: North_7." in first
    address = first.partition('In your table: North_7. <a href="')[2].partition('"')[0]
    assert "North_7" in client.get(address).text
    assert "AMT-0003 is North_7" in page


def test_an_interval_is_written_in_the_reader_s_language(client: TestClient, study: Path) -> None:
    assert re.search(r"95%信頼区間 [\d.]+～[\d.]+<", client.get(f"{RESULTS}?lang=ja").text)


def test_a_picture_of_other_outlines_than_those_measured_is_not_drawn(client: TestClient, study: Path) -> None:
    shutil.copy(study / "predictions" / "AMT-0001.nii.gz", study / "predictions" / "AMT-0002.nii.gz")
    answer = client.get(f"{RESULTS}/cases/AMT-0002/picture.png")
    assert answer.status_code == 404
    assert "the label maps are others than those evaluated" in answer.text


def test_phantoms_are_called_so_and_stand_beside_nobody(client: TestClient, study: Path) -> None:
    for name in ("nnUNet_raw/Dataset711_Tiny/dataset.json", "evaluation/summary.json"):
        content = json.loads((study / name).read_text())
        (study / name).write_text(json.dumps({**content, "subjects": "phantoms"}))
    page = client.get(RESULTS).text
    assert "These figures say nothing about patients." in page
    assert 'class="published"' not in page
    assert "It is not on record that the model has never seen these cases" in page
    assert "患者については何も示しません" in client.get(f"{RESULTS}?lang=ja").text


def test_without_results_it_says_what_to_do(client: TestClient, folder: Path) -> None:
    (folder / "manifest.csv").write_text("case_id,patient_id,institution,image,mask\n")
    open_study(folder / "mine", manifest=folder / "manifest.csv")
    page = client.get(RESULTS)
    assert page.status_code == 200
    assert "There are no results yet" in page.text
    assert 'href="/studies/mine">To the steps' in page.text
    assert client.get("/studies/other/results").status_code == 404


def test_a_damaged_file_is_told_in_a_sentence(client: TestClient, study: Path) -> None:
    (study / "evaluation" / "summary.json").write_text('{"schema_version": 5,')
    page = client.get(RESULTS)
    assert page.status_code == 200
    told = PageReader(page.text).text()
    assert "mine/evaluation/summary.json: is damaged" in told
    assert "These results cannot be shown." in told
    assert str(study.parent) not in page.text


def test_results_older_than_the_study_say_so(client: TestClient, study: Path) -> None:
    """Nothing of this study was trained by its stages."""
    page = client.get(RESULTS).text
    assert "These results are older than the study as it is now. Steps to run again:" in page
    assert "training the model" in page.partition("Steps to run again:")[2][:300]


def test_files_outside_the_opened_folder_are_not_read(client: TestClient, study: Path, tmp_path: Path) -> None:
    """A study from elsewhere may name any file of the machine in its records."""
    shutil.move(study / "predictions", tmp_path / "elsewhere")
    record = study / "evaluation" / "nnunet_amt_runs.json"
    content = json.loads(record.read_text())
    content["runs"][-1]["inputs"]["predictions"]["path"] = str(tmp_path / "elsewhere")
    record.write_text(json.dumps(content))
    assert "no prediction for a picture" in client.get(f"{RESULTS}/cases/AMT-0001/picture.png").text


def test_tables_are_saved_as_they_are_shown(client: TestClient, study: Path) -> None:
    saved = client.get(f"{RESULTS}/tables/table_3.csv")
    assert saved.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(saved.content.decode("utf-8-sig").splitlines()))
    assert rows[0][:3] == ["Subgroup", "Cases", "Dice score"]
    assert rows[1][2].startswith("0.56±")
    assert client.get(f"{RESULTS}/tables/table_4.csv").status_code == 200
    assert client.get(f"{RESULTS}/tables/..%2Fstudy.toml").status_code == 404
    archive = zipfile.ZipFile(BytesIO(client.get(f"{RESULTS}/evaluation.zip").content))
    assert archive.read("metrics.csv") == (study / "evaluation" / "metrics.csv").read_bytes()


def test_figures_are_drawn_by_a_job_and_saved(
    client: TestClient, study: Path, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get(f"{RESULTS}/figures.zip").status_code == 404
    script = (
        "import sys; from pathlib import Path; p = Path(sys.argv[1]); p.mkdir(); (p / 'figure_4.png').write_bytes(b'f')"
    )
    monkeypatch.setattr(results_files, "figures_command", lambda folder: python(script, folder / "figures"))
    answer = client.post(f"{RESULTS}/draw", headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == f"{RESULTS}#save"
    wait_for(lambda: store.jobs()[0].is_over)
    assert "Figure 4 (PNG)" in client.get(RESULTS).text
    assert client.get(f"{RESULTS}/figures/figure_4.png").content == b"f"
    assert zipfile.ZipFile(BytesIO(client.get(f"{RESULTS}/figures.zip").content)).namelist() == ["figure_4.png"]


@pytest.mark.parametrize(
    ("switch", "section", "name"), [("probabilities", "predict", "probabilities"), ("baseline", "baseline", "run")]
)
def test_a_button_switches_on_what_is_lacking_and_runs_the_study(
    client: TestClient,
    study: Path,
    store: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    switch: str,
    section: str,
    name: str,
) -> None:
    page = client.get(RESULTS).text
    assert "No probabilities were kept of these cases." in page
    assert "There is no other model yet" in page
    assert f'action="{RESULTS}/switch/{switch}"' in page
    monkeypatch.setattr(results_page, "study_command", lambda _: python("import time; time.sleep(60)"))
    answer = client.post(f"{RESULTS}/switch/{switch}", headers=SAME_SITE, follow_redirects=False)
    assert answer.headers["location"] == "/studies/mine"
    assert getattr(getattr(read_settings(study), section), name) is True
    [job] = store.jobs()
    assert (job.kind, job.study, job.takes_device) == ("study", "mine", True)
    again = client.post(f"{RESULTS}/switch/{switch}", headers=SAME_SITE)
    assert again.status_code == 400
    assert len(store.jobs()) == 1
    assert client.post(f"{RESULTS}/switch/else", headers=SAME_SITE).status_code == 404


def test_the_page_of_a_study_of_risk_is_linked(client: TestClient, study: Path) -> None:
    page = study / "risk" / "evaluation" / "risk_tables.html"
    page.parent.mkdir(parents=True)
    page.write_text("<title>risk</title>")
    assert f'href="{RESULTS}/risk/risk"' in client.get(RESULTS).text
    answer = client.get(f"{RESULTS}/risk/risk")
    assert answer.text == "<title>risk</title>"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert client.get(f"{RESULTS}/risk/binary").status_code == 404


def test_a_new_patient_s_page_says_how_good_the_model_was(client: TestClient, study: Path, folder: Path) -> None:
    """The figures of the external test set, as above; and of a study without results that there are none."""
    page = ""
    for name in ("mine", "untested"):
        run = new_run(folder.resolve(), given=("x",), study=name)
        (run.results / "scan").mkdir(parents=True)
        (run.results / "scan" / "result.json").write_text(json.dumps(RESULT))
        page = client.get(f"/patients/{run.id}").text
        assert ("<dt>Dice score</dt><dd>0.56" in page) == (name == "mine")
        assert ("nobody knows how right" in page) == (name == "untested")
