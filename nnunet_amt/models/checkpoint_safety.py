"""Read a checkpoint without letting it run code, before nnU-Net reads it in a way that lets it.

A checkpoint is a pickle, and a pickle may name any function of any installed module and have it called. nnU-Net loads
with ``weights_only=False``, which allows that. Here torch's restricted reader goes over the file first: it knows
tensors and plain Python values, and stops at anything else. What passes it calls nothing foreign in nnU-Net either.

The file is read here and once more by nnU-Net: who can exchange it in between can write to the model folder, and needs
no checkpoint to do harm.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

from nnunet_amt.errors import BadInputError

# What torch.load takes for the form that torch.save has written since 1.6; everything else it unpickles at once.
_ZIP_MAGIC = b"PK\x03\x04"
_TORCHSCRIPT_MARK = "constants.pkl"
_NAMED = re.compile(r"GLOBAL (\S+)")
_TRUST = "take models only from people you trust, or train your own with: nnunet_amt train DATASET"


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of nnU-Net's, refusing one that would run code; tensors stay on the disk until used.

    Raises
    ------
    BadInputError
        If it is damaged, of another format, or names a function or class that no checkpoint of nnU-Net's needs.
    """
    import torch

    require_whole_checkpoint(path)
    try:
        with torch.serialization.safe_globals(_numpy_globals()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle protocols; what cannot be read is an error
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        named = foreign_globals(path) or _NAMED.findall(str(error))
        what = f"it would call {', '.join(sorted(named)[:3])}" if named else "it holds more than tensors and numbers"
        raise BadInputError(f"{path}: can run code on your machine when loaded ({what}); refused; {_TRUST}") from error
    except Exception as error:  # torch raises of every kind on a pickle that is none
        raise BadInputError(f"{path}: cannot be read as a checkpoint; train it again, or copy it again") from error
    if not isinstance(content, dict):
        raise BadInputError(f"{path}: holds a {type(content).__name__}, no checkpoint of nnU-Net's; {_TRUST}")
    return content


def foreign_globals(path: Path) -> list[str]:
    """Name the functions and classes of a checkpoint that no checkpoint of nnU-Net's needs; nothing is loaded.

    Pickles can hide names from such a look: an empty list says nothing, `read_checkpoint` decides.
    """
    import torch

    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # as above
        return []


def require_whole_checkpoint(path: Path) -> None:
    """Check that a checkpoint is a zip file, as torch writes, whose every member fits its checksum."""
    if not path.is_file():
        raise BadInputError(f"{path}: no such file; give a checkpoint of nnU-Net's, such as checkpoint_best.pth")
    with path.open("rb") as start:
        magic = start.read(len(_ZIP_MAGIC))
    try:
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            damaged = file.testzip() is not None or magic != _ZIP_MAGIC
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError):
        damaged, names = True, []
    if damaged:
        raise BadInputError(
            f"{path}: is damaged, or older than the zip format of torch 1.6; train again with: nnunet_amt train "
            "DATASET --restart, or copy it again"
        )
    if any(name.rpartition("/")[2] == _TORCHSCRIPT_MARK for name in names):
        raise BadInputError(f"{path}: is a TorchScript archive, a program and no checkpoint; refused; {_TRUST}")


def _numpy_globals() -> list[Any]:
    """List what nnU-Net's checkpoints need besides tensors and plain values: NumPy's floats in the log of the losses.

    The dtypes of objects and records are left out: their state could make NumPy follow any pointer.
    """
    import numpy as np

    scalar = np.float64(0).__reduce__()[0]  # the function that NumPy pickles its numbers by
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # in NumPy 1 and 2
    dtypes = [type(np.dtype(name)) for name in ("float16", "float32", "float64")]
    return [*((scalar, name) for name in names), np.dtype, *dtypes]
