"""The options of nnU-Net's that ``train`` and ``predict`` pass on, read as nnU-Net will read them.

What our own options decide, such as the model and its checkpoint, is not passed on a second time: nnU-Net would take
the second, and what was checked would not be what is loaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from nnunet_amt.errors import BadInputError

# nnU-Net's option, and what to do instead
_OWN_OF_TRAIN = {"-tr": "give --trainer", "-p": "leave it out, the plans are ours", "-device": "give --device"}
_OWN_OF_PREDICT = {
    "-i": "give --input",
    "-o": "give --output",
    "-d": "give the number of the dataset alone",
    "-c": "leave it out, it is 3d_fullres",
    "-f": "give --fold",
    **_OWN_OF_TRAIN,
    "-chk": "give --checkpoint",
}


class _Reader(argparse.ArgumentParser):
    """Read options by nnU-Net's rules, abbreviations too, and tell of errors in one line."""

    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{self.prog}: {message}; its options are in: {self.prog} -h")


def train_options(extra: Sequence[str]) -> argparse.Namespace:
    """Read options for ``nnUNetv2_train``.

    Raises
    ------
    BadInputError
        If nnU-Net does not know one, or one is ours to give.
    """
    reader = _Reader("nnUNetv2_train", add_help=False)
    reader.add_argument("-pretrained_weights")
    reader.add_argument("-num_gpus", type=int, default=1)
    for flag in ("--npz", "--c", "--val", "--val_best", "--disable_checkpointing"):
        reader.add_argument(flag, action="store_true")
    options = _read(reader, extra, _OWN_OF_TRAIN)
    if options.c and (options.val or options.pretrained_weights):
        raise BadInputError("--c goes on with a training; give it without --val and -pretrained_weights")
    if options.num_gpus < 1:
        raise BadInputError(f"-num_gpus {options.num_gpus}: must be 1 or more")
    return options


def predict_options(extra: Sequence[str]) -> argparse.Namespace:
    """Read options for ``nnUNetv2_predict``.

    Raises
    ------
    BadInputError
        If nnU-Net does not know one, or one is ours to give, or the part is not one of the parts.
    """
    reader = _Reader("nnUNetv2_predict", add_help=False)
    reader.add_argument("-step_size", type=float, default=0.5)
    reader.add_argument("-npp", type=int)
    reader.add_argument("-nps", type=int)
    reader.add_argument("-prev_stage_predictions")
    reader.add_argument("-num_parts", type=int, default=1)
    reader.add_argument("-part_id", type=int, default=0)
    flags = ("disable_tta", "verbose", "save_probabilities", "continue_prediction", "disable_progress_bar")
    for flag in (*flags, "not_on_device"):
        reader.add_argument(f"--{flag}", action="store_true")
    options = _read(reader, extra, _OWN_OF_PREDICT)
    if not 0 <= options.part_id < options.num_parts:
        raise BadInputError(
            f"-part_id {options.part_id}: of {options.num_parts} parts (-num_parts) the ids are 0 to "
            f"{options.num_parts - 1}"
        )
    if options.num_parts > 1 and options.npp == options.nps == 0:
        raise BadInputError("-num_parts: nnU-Net does not heed it with -npp 0 -nps 0; give -npp 1 -nps 1")
    if not 0 < options.step_size <= 1:
        raise BadInputError(f"-step_size {options.step_size:g}: must be above 0, at most 1")
    return options


def without_parts(options: argparse.Namespace) -> list[str]:
    """List what of the options of a prediction changes its result: all but the division of labour."""
    labour = {"num_parts", "part_id", "npp", "nps", "verbose", "continue_prediction", "disable_progress_bar"}
    return sorted(f"{name}={value}" for name, value in vars(options).items() if name not in labour)


def _read(reader: _Reader, extra: Sequence[str], own: dict[str, str]) -> argparse.Namespace:
    for name in own:
        reader.add_argument(name, nargs="+", dest=name)
    options = reader.parse_args(list(extra))
    for name, instead in own.items():
        if getattr(options, name) is not None:
            raise BadInputError(f"{name} is given to nnU-Net by this command; {instead}")
        delattr(options, name)
    return options
