"""The device to compute on, and why it is not there."""

from __future__ import annotations

import os

from nnunet_amt.errors import BadInputError

DEVICES = ("auto", "cpu", "cuda", "mps")


def require_device(device: str, num_gpus: int = 1) -> str:
    """Give the device that nnU-Net is told, having seen that torch can use it.

    Parameters
    ----------
    device
        One of `DEVICES`; ``auto`` is CUDA where there is one, else the CPU.
    num_gpus
        CUDA devices that are asked for.

    Raises
    ------
    BadInputError
        If torch cannot use the device, or has fewer; the message says why.
    """
    if device not in DEVICES:
        raise BadInputError(f"--device {device}: must be one of {', '.join(DEVICES)}")
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError(f"--device cuda: {_why_no_cuda()}; or take --device cpu")
    if device == "mps" and not torch.backends.mps.is_available():
        raise BadInputError("--device mps: needs a Mac with Apple silicon and its torch; take --device auto")
    if num_gpus > 1 and device != "cuda":
        raise BadInputError(f"-num_gpus {num_gpus}: nnU-Net trains on several devices with CUDA only, not on {device}")
    if num_gpus > 1 and num_gpus > torch.cuda.device_count():
        raise BadInputError(
            f"-num_gpus {num_gpus}: torch can use {torch.cuda.device_count()} here{_visible()}; give no more than that"
        )
    return device


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA; install a stock torch"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"torch finds no CUDA device{_visible()}; set that variable to the number of one, or unset it"
    return "torch finds no CUDA device; look with nvidia-smi whether the driver runs"


def _visible() -> str:
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return "" if value is None else f" (CUDA_VISIBLE_DEVICES is {value!r})"
