"""Read a checkpoint without letting it run code, before nnU-Net reads it in a way that lets it.

A checkpoint is a pickle in a zip archive, and a pickle may name any function of any installed module and have it
called. nnU-Net loads with ``weights_only=False``, which allows that. Here the archive is looked at first, then its
pickle without making what that names (`checkpoint_pickle`), then torch's restricted reader reads it. What passes holds
tensors, plain values and numbers; it calls nothing foreign in nnU-Net either.

The file is read here and once more by nnU-Net: who can exchange it in between can write to the model folder, and needs
no checkpoint to do harm.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_pickle import NUMPY_NUMBERS, require_plain, require_plain_pickle

# What torch.load takes for the form that torch.save has written since 1.6; everything else it unpickles at once.
_ZIP_MAGIC = b"PK\x03\x04"
_TORCHSCRIPT_MARK = "constants.pkl"
_PICKLE = "data.pkl"
_MOST_PICKLE_BYTES = 16_000_000  # nnU-Net's are under one million
_TRUST = "take models only from people you trust, or train your own with: nnunet_amt train DATASET"
_UNSAFE = "can run code on your machine when loaded, or crash it"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of nnU-Net's, refusing one that would run code; tensors stay on the disk until used.

    Raises
    ------
    BadInputError
        If it is damaged, of another format, or holds anything but tensors, plain values and numbers.
    """
    import torch

    parts = require_whole_checkpoint(path)
    try:
        require_plain_pickle(torch._C.PyTorchFileReader(str(path)).get_record(_PICKLE), parts)
        with torch.serialization.safe_globals(_numpy_globals()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read is an error
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        require_plain(content, _leaves())
    except pickle.UnpicklingError as error:
        raise BadInputError(f"{path}: {_UNSAFE} (it {_first_line(error)}); refused; {_TRUST}") from error
    except Exception as error:  # torch and pickle raise of every kind on what is none
        raise BadInputError(f"{path}: cannot be read as a checkpoint; train it again, or copy it again") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: holds a {type(content).__name__}, no checkpoint of nnU-Net's; {_TRUST}")
    return content


def require_whole_checkpoint(path: Path) -> Mapping[str, int]:
    """Check that a checkpoint is a zip file, as torch writes, whose every part fits its checksum.

    Sizes are looked at before anything is read: torch stores its parts one after the other, as they are.

    Returns
    -------
    mapping of str to int
        Bytes of each part by its name below the archive's folder, such as ``data/0``.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: no such file; give a checkpoint of nnU-Net's, such as checkpoint_best.pth")
    with path.open("rb") as start:
        magic = start.read(len(_ZIP_MAGIC))
    if magic and magic != _ZIP_MAGIC:
        raise BadInputError(
            f"{path}: is damaged, or older than the zip format of torch 1.6, of which any file can run code on your "
            f"machine when loaded; refused; {_TRUST}"
        )
    try:
        with zipfile.ZipFile(path) as file:
            parts = file.infolist()
            _require_parts_of_torch(path, parts)
            damaged = file.testzip() is not None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        damaged = True
    if damaged:
        raise BadInputError(
            f"{path}: is damaged, or older than the zip format of torch 1.6; train again with: nnunet_amt train "
            "DATASET --restart, or copy it again"
        )
    return {part.filename.partition("/")[2]: part.file_size for part in parts}


def _require_parts_of_torch(path: Path, parts: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that is a program, or whose parts torch has not written: packed, twice, one in another."""
    names = [part.filename for part in parts]
    if any(name.rpartition("/")[2] == _TORCHSCRIPT_MARK for name in names):
        raise BadInputError(f"{path}: is a TorchScript archive, a program and no checkpoint; refused; {_TRUST}")
    if any(name.endswith(".pth") for name in names):
        raise BadInputError(
            f"{path}: is the archive of a model's folder, and no checkpoint; unpack it with: "
            "nnUNetv2_install_pretrained_model_from_zip, and give a checkpoint of that folder"
        )
    pickles = [part for part in parts if part.filename.partition("/")[2] == _PICKLE]
    packed = any(part.compress_type != zipfile.ZIP_STORED or part.compress_size != part.file_size for part in parts)
    reason = ""
    if packed:
        reason = "its parts are packed, which torch never does"
    elif len({name.casefold() for name in names}) < len(names):
        reason = "a part stands in it twice"
    elif sum(part.file_size for part in parts) > path.stat().st_size:
        reason = "its parts lie in each other"
    elif len({name.partition("/")[0] for name in names}) > 1 or len(pickles) != 1:
        reason = f"it has no {_PICKLE}, or several folders"
    elif pickles[0].file_size > _MOST_PICKLE_BYTES:
        reason = f"its {_PICKLE} has {pickles[0].file_size} bytes; the largest that is read has {_MOST_PICKLE_BYTES}"
    if reason:
        raise BadInputError(f"{path}: {_UNSAFE} ({reason}); refused; {_TRUST}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _leaves() -> tuple[type, ...]:
    """List what a checkpoint may hold beside plain values."""
    import numpy as np
    import torch

    return (torch.Tensor, torch.nn.Parameter, torch.device, *(np.dtype(name).type for name in NUMPY_NUMBERS))


def _numpy_globals() -> list[Any]:
    """List what nnU-Net's checkpoints need besides tensors and plain values: NumPy's numbers in the log of the losses.

    The dtypes of objects and records are left out: their state could make NumPy follow any pointer.
    """
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]  # the function that NumPy pickles its numbers by
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # in NumPy 1 and 2
    dtypes = {type(np.dtype(name)) for name in NUMPY_NUMBERS}
    return [*((scalar, name) for name in names), np.dtype, *dtypes]
