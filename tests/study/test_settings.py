"""study.toml: what is written is read back, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.study.settings import StudySettings, read_settings, settings_text, write_settings


def study_with(folder: Path, old: str, new: str) -> Path:
    """Write the defaults with one line changed by hand."""
    text = settings_text(StudySettings())
    assert old in text
    (folder / "study.toml").write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_settings_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """Every kind of value: text, number, list of numbers, list of words, truth value, none."""
    settings = StudySettings().changed(
        {
            "study": {"manifest": "Tumoren «neu»/liste.csv", "dataset": 12, "name": "AMT_2"},
            "plan": {"spacing": (3.0, 1.5, 1.5), "patch_size": (16, 64, 64), "window": (-160.0, 240.0)},
            "train": {"options": ("-num_gpus", "2")},
            "evaluate": {"connectivity": 6, "ci_always": True, "subgroups": ("kVp",)},
        }
    )
    write_settings(tmp_path, settings)
    assert read_settings(tmp_path) == settings


def test_every_setting_stands_in_the_file_with_a_comment() -> None:
    """Also one that is not given: its name is there to be uncommented."""
    sections = settings_text(StudySettings()).split("\n[")[1:]
    assert [part.partition("]")[0] for part in sections] == list(StudySettings.model_fields)
    for part, (section, field) in zip(sections, StudySettings.model_fields.items(), strict=True):
        head, *lines = part.strip().splitlines()
        assert head.startswith(f"{section}]  # ")
        names = list(field.annotation.model_fields)  # type: ignore[union-attr]
        assert [line.removeprefix("# ").partition(" =")[0] for line in lines] == names
        assert all(line.partition(" =")[2].partition("  # ")[2].endswith(".") for line in lines)


def test_a_setting_that_was_not_given_can_be_uncommented(tmp_path: Path) -> None:
    """As somebody does who opens the file for the first time."""
    settings = read_settings(study_with(tmp_path, "# spacing =", "spacing = [5, 2.5, 2.5]"))
    assert settings.plan.spacing == (5.0, 2.5, 2.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fold = ", "foold = ", "[train] foold: there is no such setting; there are trainer, fold, seed, options"),
        ("[predict]", "[predicting]", "[predicting]: there is no such section; there are study, convert, plan"),
        ("dataset = 711", "dataset = 1000", "[study] dataset = 1000: input should be less than or equal to 999"),
        ('device = "auto"', 'device = "gpu"', "[study] device = 'gpu': input should be 'auto', 'cpu', 'cuda' or 'mps'"),
        ("# spacing =", "spacing = [5, 5]", "[plan] spacing = "),
        ("# spacing =", "spacing = [0, 5, 5]", "[plan] spacing = 0: input should be greater than or equal to 0.1"),
        ("# spacing =", "spacing = [nan, 5, 5]", "[plan] spacing = nan: input should be a finite number"),
        ("# window =", "window = [-160, nan]", "[plan] window = nan: input should be a finite number"),
        ("# patch_size =", "patch_size = [8, 15, 16]", "[plan] patch_size = 15: input should be a multiple of 8"),
        ("viewer = true", "viewer = maybe", "is not TOML"),
        ("# features =", "features = [8, 16, 32, 64, 128]", "must be 4 values, not 5"),
        ("# patch_size =", "patch_size = [8, 16]", "has too few values: number 3 is missing"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """File, section, setting, value and rule in one line, and what to do."""
    with pytest.raises(BadInputError) as error:
        read_settings(study_with(tmp_path, old, new))
    assert message in str(error.value)
    assert "study.toml" in str(error.value)
    assert "\n" not in str(error.value)
    assert "mend the line" in str(error.value)
    assert "delete" not in str(error.value)  # of a study that may have trained for days


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "# features =",
            "features = [8, 16, 32, 64]",
            "[plan] features = [8, 16, 32, 64]: are of the paper's network, and nnUNetTrainerAMTFast_5epochs trains",
        ),
        (
            "# patch_size =",
            "patch_size = [8, 40, 48]",
            "[plan] patch_size = [8, 40, 48]: z, y and x must be multiples of 8, 16 and 16 in the fast recipe",
        ),
    ],
)
def test_what_the_fast_recipe_does_not_take_is_told_before_any_work(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Of the paper's recipe they can be, so it is the trainer that decides."""
    assert read_settings(study_with(tmp_path, old, new))
    written = tmp_path / "study.toml"
    written.write_text(written.read_text().replace('nnUNetTrainerAMT"', 'nnUNetTrainerAMTFast_5epochs"'))
    with pytest.raises(BadInputError) as error:
        read_settings(tmp_path)
    assert message in str(error.value)
    assert "mend the line" in str(error.value)
    written.write_text(written.read_text().replace("AMTFast_5epochs", "AMT"))
    with pytest.raises(BadInputError, match=r"^\[plan\] .*; change it in study.toml, or take another --trainer"):
        read_settings(tmp_path).changed({"train": {"trainer": "nnUNetTrainerAMTFast"}})
    name = old.split()[1]
    assert f"plan.{name}" in read_settings(tmp_path).refused({"train": {"trainer": "nnUNetTrainerAMTFast"}})


def test_a_folder_without_settings_is_no_study(tmp_path: Path) -> None:
    """The message says how to begin one."""
    with pytest.raises(BadInputError, match=r"is no study yet; begin one with: nnunet_amt study MANIFEST.csv -o "):
        read_settings(tmp_path)
