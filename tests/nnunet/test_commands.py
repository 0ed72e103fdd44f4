"""Stock commands are built as one would type them; options that are passed on are read as nnU-Net reads them.

What decides what is loaded is not passed on.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nnunet_amt.errors import BadInputError
from nnunet_amt.nnunet.commands import (
    predict_options,
    train_command,
    train_options,
    with_whole_path,
    without_parts,
)


def test_train_command_is_what_one_would_type() -> None:
    command = train_command(711, trainer="nnUNetTrainerAMT", plans="nnUNetAMTPlans", options=["--npz"], device="cuda")
    typed = "nnUNetv2_train 711 3d_fullres 0 -tr nnUNetTrainerAMT -p nnUNetAMTPlans -device cuda --npz"
    assert " ".join(command) == typed


@pytest.mark.parametrize("extra", [["-num_gpus", "4"], ["--npz", "-num_gpus=4"]])
def test_more_gpus_than_samples_are_refused(extra: list[str]) -> None:
    """A batch of three cannot be spread over four GPUs; nnU-Net's own trainers may take what they like."""
    with pytest.raises(BadInputError, match="-num_gpus 4: the paper's batch has 3 samples"):
        train_command(1, trainer="nnUNetTrainerAMT_5epochs", plans="plans", options=extra)
    assert train_command(1, plans="plans", options=extra)[-len(extra) :] == extra
    fewer = ["-num_gpus", "3"]
    assert train_command(1, trainer="nnUNetTrainerAMT", plans="plans", options=fewer)[-2:] == fewer


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["-chk", "other.pth"], "-chk is given to nnU-Net by this command; give --checkpoint"),
        (["-f", "0", "1"], "give --fold"),
        (["-f1"], "give --fold"),  # argparse splits it, so nnU-Net would take fold 1
        (["-chk=other.pth"], "give --checkpoint"),
        (["-tr", "nnUNetTrainer"], "give --trainer"),
        (["--step", "1"], "unrecognized arguments: --step 1; its options are in: nnUNetv2_predict -h"),
        (["-num_parts", "two"], "argument -num_parts: invalid int value: 'two'"),
        (["-num_parts", "3", "-part_id", "3"], "-part_id 3: of 3 parts (-num_parts) the ids are 0 to 2"),
        (["-num_parts", "2", "-npp", "0", "-nps", "0"], "nnU-Net does not heed it with -npp 0 -nps 0"),
        (["-step_size", "2"], "-step_size 2: must be above 0, at most 1"),
    ],
)
def test_bad_options_of_predict_are_one_line(extra: list[str], message: str) -> None:
    with pytest.raises(BadInputError) as raised:
        predict_options(extra)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["-device", "cpu"], "give --device"),
        (["--c", "--val"], "--c goes on with a training; give it without --val"),
        (["--c", "-pretrained_weights", "x"], "without --val and -pretrained_weights"),
        (["-num_gpus", "0"], "-num_gpus 0: must be 1 or more"),
        (["712"], "unrecognized arguments: 712"),
    ],
)
def test_bad_options_of_train_are_one_line(extra: list[str], message: str) -> None:
    with pytest.raises(BadInputError) as raised:
        train_options(extra)
    assert message in str(raised.value)


def test_path_among_options_is_whole_for_nnunet_which_runs_elsewhere() -> None:
    whole = str(Path.cwd() / "w.pth")
    assert with_whole_path(["--npz", "-pretrained_weights", "w.pth"], "w.pth")[1:] == ["-pretrained_weights", whole]
    assert with_whole_path(["-pretrained_weights=w.pth"], "w.pth") == [f"-pretrained_weights={whole}"]
    assert with_whole_path(["--npz"], None) == ["--npz"]


def test_division_of_labour_does_not_change_predictions() -> None:
    """Parts, workers and talk make the same label maps; another step size makes others."""
    whole = without_parts(predict_options([]))
    assert without_parts(predict_options(["-num_parts", "4", "-part_id", "2", "-npp", "1", "--verbose"])) == whole
    assert without_parts(predict_options(["-step_size", "0.7"])) != whole
    assert without_parts(predict_options(["-step_size", "0.5"])) == whole  # nnU-Net's default, said aloud
