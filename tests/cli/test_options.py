"""Options that mean the same are spelled the same in every command."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from nnunet_amt.base.processes import usable_cores
from nnunet_amt.cli.commands import GROUPS, UNLISTED, app
from nnunet_amt.cli.options import Dataset, DatasetCommand, NnunetCommand, Output, reference_folders, worker_processes
from nnunet_amt.errors import BadInputError
from tests.conftest import set_nnunet_folders, write_tiny_dataset

_TOP = get_command(app).commands  # type: ignore[attr-defined]
RISK = {f"risk {name}": command for name, command in _TOP["risk"].commands.items()}
COMMANDS = {name: command for name, command in _TOP.items() if name != "risk"}
SPELLINGS = {
    "output": ["--output", "-o"],
    "dataset": ["--dataset", "-d"],
    "jobs": ["--jobs", "-j"],
    "device": ["--device"],
    "trainer": ["--trainer"],
    "fold": ["--fold"],
    "cohort": ["--cohort"],
    "executor": ["--executor"],
    "evaluation": ["--evaluation"],
    "images": ["--images", "--input", "-i"],
    "checkpoint": ["--checkpoint"],
    "spacing": ["--spacing"],
    "patch_size": ["--patch-size"],
    "exclude_unreadable": ["--exclude-unreadable"],
    "keep_intensities": ["--keep-intensities"],
    "seed": ["--seed"],
}


@pytest.mark.parametrize("name", [*COMMANDS, *RISK])
def test_one_meaning_has_one_spelling(name: str) -> None:
    spelled = {
        option.name: option.opts for option in (COMMANDS | RISK)[name].params if option.param_type_name == "option"
    }
    shared = spelled.keys() & SPELLINGS
    assert {option: spelled[option] for option in shared} == {option: SPELLINGS[option] for option in shared}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_meaning_has_one_metavar_and_one_default(name: str) -> None:
    """A number of processes, a folder or a device is written alike in every --help."""
    metavars = {"jobs": "N", "dataset": "N", "device": "auto|cpu|cuda|mps", "spacing": "Z Y X", "patch_size": "Z Y X"}
    told = {option.name: option.metavar for option in COMMANDS[name].params if option.param_type_name == "option"}
    shared = told.keys() & metavars
    assert {option: told[option] for option in shared} == {option: metavars[option] for option in shared}
    assert all(option.default is None for option in COMMANDS[name].params if option.name == "jobs")


# What takes or makes nothing of its own in a folder: conversions, plans and points go where nnU-Net's variables say,
# the page where its folder is.
WITHOUT_OUTPUT = {"app", "convert", "plan", "train", "calibrate", "env", "doctor", "published", "send"}
OF_A_DATASET = ("convert", "plan", "train", "predict", "baseline", "doctor", "calibrate")


def test_whatever_writes_elsewhere_takes_o() -> None:
    every = COMMANDS | RISK
    with_output = {name for name in every if any("-o" in option.opts for option in every[name].params)}
    assert with_output == every.keys() - WITHOUT_OUTPUT


@pytest.mark.parametrize("name", OF_A_DATASET)
def test_every_command_of_a_dataset_takes_its_number_both_ways(name: str) -> None:
    """By place, with -d, --dataset or in one word: 1000 is refused as the number that it is, so it was understood."""
    others = {"convert": ["manifest.csv"], "predict": ["-o", "predictions"]}.get(name, [])
    for words in ([*others, "1000"], ["-d", "1000", *others], [*others, "--dataset", "1000"], ["-d1000", *others]):
        result = CliRunner().invoke(app, [name, *words], env={"COLUMNS": "200"})
        assert result.exit_code == 2
        assert "Invalid value for 'DATASET'" in result.output
    missing = CliRunner().invoke(app, [name, *others, "-d"], env={"COLUMNS": "200"})
    assert missing.exit_code == 2
    assert "the number of the dataset (DATASET) is missing behind it" in missing.output


def test_every_command_is_listed_in_a_group_or_left_out_on_purpose() -> None:
    listed = [command.__name__.replace("_", "-") for commands in GROUPS.values() for command in commands]
    unlisted = [command.__name__.replace("_", "-") for command in UNLISTED]
    assert [*listed, *unlisted] == list(COMMANDS)
    assert unlisted == ["score-froc", "components"]  # flags of evaluate
    shown = CliRunner().invoke(app, ["--help"]).output
    assert not any(name in shown for name in unlisted)
    assert [shown.index(group) for group in GROUPS] == sorted(shown.index(f"─ {group} ─") + 2 for group in GROUPS)


def run(*words: str) -> tuple[int, str]:
    """Run a command that shows the dataset and the folder it understood and the words that it would pass on."""
    passing = typer.Typer()

    @passing.command(cls=NnunetCommand)
    def command(context: typer.Context, dataset: Dataset, output: Output = Path()) -> None:
        print(dataset, output, *context.args)

    result = CliRunner().invoke(passing, words)
    return result.exit_code, result.output.strip()


@pytest.mark.parametrize(
    "words",
    [
        ("711", "-o", "a", "-part_id", "-1", "--c"),
        ("-d", "711", "--output", "a", "-part_id", "-1", "--c"),
        ("-part_id", "-1", "--c", "--dataset", "711", "-o", "a"),
        ("-part_id", "-1", "--dataset=711", "-o", "a", "--c"),
        ("-part_id", "-1", "-o", "a", "--c", "-d711"),
    ],
)
def test_a_dataset_is_the_first_word_or_an_option_and_the_rest_is_passed_on(words: tuple[str, ...]) -> None:
    """-part_id is one word, not -d with some others."""
    assert run(*words) == (0, "711 a -part_id -1 --c")


@pytest.mark.parametrize("words", [(), ("-step_size", "0.7"), ("1000",), ("-d", "1000"), ("-d",)])
def test_a_dataset_that_is_missing_or_wrong_is_refused(words: tuple[str, ...]) -> None:
    exit_code, shown = run(*words)
    assert exit_code == 2
    assert "DATASET" in shown


def test_a_number_goes_behind_the_other_words_of_a_command() -> None:
    """So that a manifest stays the first one, wherever -d stands."""
    reading = typer.Typer()

    @reading.command(cls=DatasetCommand)
    def command(manifest: Path, dataset: Dataset, output: Output = Path()) -> None:
        print(manifest, dataset, output)

    for words in (["m", "7", "-o", "a"], ["-d", "7", "m", "-o", "a"], ["m", "-o", "a", "--dataset=7"]):
        assert CliRunner().invoke(reading, words).output.strip() == "m 7 a"
    assert CliRunner().invoke(reading, ["m", "7", "-d", "7"]).exit_code == 2  # one of them is too many


def test_processes_are_as_many_as_cores_where_nobody_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the process may use: a container of 2 cores on a machine of 64 starts 2."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5}, raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("nnunet_amt.cli.options.usable_cores", usable_cores)
    assert (worker_processes(None), worker_processes(3)) == (2, 3)


def test_references_images_and_cohort_are_those_of_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_nnunet_folders(monkeypatch, tmp_path)
    dataset = write_tiny_dataset(tmp_path / "nnUNet_raw")
    found = reference_folders(None, 711)
    assert (found.references, found.images, found.cohort) == (dataset / "labelsTs", dataset / "imagesTs", None)
    (dataset / "cohort.csv").touch()
    assert reference_folders(None, 711).cohort == dataset / "cohort.csv"
    given = reference_folders(tmp_path, None)
    assert (given.references, given.images, given.cohort) == (tmp_path, None, None)
    with pytest.raises(BadInputError, match=r"nothing of Dataset712_\*.*; make it with: nnunet_amt convert"):
        reference_folders(None, 712)
    with pytest.raises(BadInputError, match=r"^a and -d 711: both say where the reference label maps are; give one"):
        reference_folders(Path("a"), 711)
    with pytest.raises(BadInputError, match=r"^REFERENCES: missing; give the folder .* or with -d the number"):
        reference_folders(None, None)
