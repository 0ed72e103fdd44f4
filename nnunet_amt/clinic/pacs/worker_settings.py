"""What a receiver tells its worker."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from nnunet_amt.clinic.case_objects import Kind
from nnunet_amt.images.image_file import ReadingOptions

LOG_LINE = "%(asctime)s %(levelname)s %(message)s"  # of the receiver and of its worker


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told: where, with which model, and what it writes.

    Attributes
    ----------
    model, fold, trainer, checkpoint
        See `opened_model`; `operating_point` is None for the argmax.
    backoff_seconds
        Before the second and the third try of a job.
    """

    folder: str
    model: str
    fold: str = "0"
    trainer: str | None = None
    checkpoint: str | None = None
    operating_point: str | None = None
    device: str = "auto"
    kinds: tuple[Kind, ...] = ("seg", "sc")
    resample_tilt: bool = False
    keep_intensities: bool = False
    backoff_seconds: tuple[float, ...] = (60.0, 300.0, 1500.0)

    def as_json(self) -> str:
        """Write it on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """Read what `as_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "kinds": tuple(content["kinds"]),
                      "backoff_seconds": tuple(content["backoff_seconds"])})  # fmt: skip

    @property
    def reading(self) -> ReadingOptions:
        """What a CT may be."""
        return ReadingOptions(resample_tilt=self.resample_tilt, keep_intensities=self.keep_intensities)
