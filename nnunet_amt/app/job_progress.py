"""How far a job is, read from the lines that the command line prints where it draws no bar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nnunet_amt.app.language import Texts

# "4/8 train, 2 min 5 s, about 1 h 3 min left in this step: training: epoch 3 of 100, batch 7 of 250 507/25000"
_STAGE = re.compile(
    r"(?P<number>\d+)/(?P<stages>\d+) (?P<stage>[a-z]+)"
    r"(?:, [^:,]+?(?:, about (?P<left>[^:]+) left in this step)?)?: (?P<what>.*)"
)
_STEP = re.compile(r"(?P<what>.*\S) (?P<done>\d+)/(?P<total>\d+)")
_EPOCH = re.compile(r"epoch (\d+) of (\d+)")
_DICE = re.compile(r"tuning Dice ([\d.]+)")
_NO_KEY = re.compile(r"[^a-z0-9]+")
_UNITS = re.compile(r"([\d.]+) (s|min|h)\b")


@dataclass(frozen=True)
class JobProgress:
    """Where a job is.

    Attributes
    ----------
    stage, number, stages
        Of a study: the stage, which one it is, and of how many; empty and 0 of other jobs.
    what, done, total
        The step, as the command line names it, and how much of it is done; 0 of 0 if that is not known.
    left
        Expected rest of the step, as ``"1 h 3 min"``; empty if not known.
    """

    stage: str = ""
    number: int = 0
    stages: int = 0
    what: str = ""
    done: int = 0
    total: int = 0
    left: str = ""

    @property
    def fraction(self) -> float | None:
        """How much of the step is done, from 0 to 1; None if that is not known."""
        return min(1.0, self.done / self.total) if self.total else None


def progress_after(texts: Iterable[str], before: JobProgress | None = None) -> JobProgress:
    """Tell where a job is after some lines; `before` is where it was, lines that tell nothing leave it there."""
    progress = before or JobProgress()
    for text in texts:
        progress = _after(text, progress)
    return progress


def _after(text: str, before: JobProgress) -> JobProgress:
    stage = _STAGE.fullmatch(text)
    step = _STEP.fullmatch(stage["what"] if stage else text)
    if (stage is None and step is None) or text.startswith("error:"):
        return before
    what = step["what"] if step else stage["what"] if stage else ""
    done, total = (int(step["done"]), int(step["total"])) if step else (0, 0)
    if stage is None:
        return JobProgress(before.stage, before.number, before.stages, what, done, total)
    return JobProgress(
        stage["stage"],
        int(stage["number"]),
        int(stage["stages"]),
        what if step else "",
        done,
        total,
        stage["left"] or "",
    )


def stage_state(number: int, progress: JobProgress) -> str:
    """Tell how far a stage of a running study is, by its number from 1: ``done``, ``running`` or ``waiting``."""
    return "done" if number < progress.number else "running" if number == progress.number else "waiting"


def stage_sentence(progress: JobProgress, t: Texts) -> str:
    """Say at which stage a study is; empty for other jobs, and before the first."""
    if not progress.stage:
        return ""
    key = f"stages.{progress.stage}"
    name = t(key) if key in t else progress.stage
    return t("progress.stage", number=progress.number, stages=progress.stages, stage=name)


def step_sentence(progress: JobProgress, t: Texts) -> str:
    """Say what is being done: of a training the epoch and the best known Dice, else the work and its count."""
    parts = []
    epoch = _EPOCH.search(progress.what)
    if epoch:
        parts.append(t("progress.epoch", epoch=epoch[1], epochs=epoch[2]))
        if dice := _DICE.search(progress.what):
            parts.append(t("progress.dice", dice=dice[1]))
    elif progress.what:
        parts.append(t("progress.step", what=_doing(progress.what, t), done=progress.done, total=progress.total))
    if progress.left:
        parts.append(t("progress.left", left=time_words(progress.left, t)))
    return ("、" if t.language == "ja" else ", ").join(parts)


def _doing(what: str, t: Texts) -> str:
    """Name a work that the command line counts; as it does there where the page has no words for it."""
    key = f"doing.{_NO_KEY.sub('_', what.lower())}"
    return t(key) if key in t else what


def time_words(duration: str, t: Texts) -> str:
    """Write a duration of the command line, as ``"5 h 2 min"``, in the reader's language."""
    return _UNITS.sub(lambda found: t(f"progress.{found[2]}", number=found[1]), duration)
