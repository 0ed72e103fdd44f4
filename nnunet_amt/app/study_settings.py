"""The settings of a study that its page offers: as texts of a form, and from a form into ``study.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_amt.app.language import Texts
from nnunet_amt.app.problem_words import problem_words
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import DEFAULT_TRAINER
from nnunet_amt.nnunet.environment import DEVICES, our_trainers
from nnunet_amt.nnunet.train import NNUNET_EPOCHS
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudySettings, read_settings, write_settings

AXES = ("z", "y", "x")
_EPOCHS = re.compile(rf"{DEFAULT_TRAINER}_(\d+)epochs?")


@dataclass(frozen=True)
class SettingsForm:
    """What the form holds, as texts, and what is wrong with it: field to sentence.

    Attributes
    ----------
    spacing, patch_size
        (z, y, x); all three empty for the usual one.
    """

    trainer: str
    device: str
    spacing: tuple[str, ...]
    patch_size: tuple[str, ...]
    problems: Mapping[str, str] = field(default_factory=dict)


def form_of(settings: StudySettings) -> SettingsForm:
    """Fill the form with the settings of a study."""
    spacing, patch_size = (
        tuple(f"{edge:g}" for edge in edges) if edges else ("", "", "")
        for edges in (settings.plan.spacing, settings.plan.patch_size)
    )
    return SettingsForm(settings.train.trainer, settings.study.device, spacing, patch_size)


def trainer_choices(chosen: str, t: Texts) -> list[tuple[str, str]]:
    """Give the trainers with their words, the longest training first; `chosen` is among them whatever it is."""
    numbered = {name: int(found[1]) for name in our_trainers() if (found := _EPOCHS.fullmatch(name))}
    numbered[DEFAULT_TRAINER] = NNUNET_EPOCHS
    names = sorted(numbered, key=lambda name: -numbered[name])
    words = {name: t("settings.epochs", epochs=t.number(numbered[name])) for name in names}
    words[DEFAULT_TRAINER] = t("settings.epochs_usual", epochs=t.number(NNUNET_EPOCHS))
    words[f"{DEFAULT_TRAINER}_1epoch"] = t("settings.epoch_try")
    words[f"{DEFAULT_TRAINER}_demo"] = t("settings.epochs_demo")
    return list({**words, **({} if chosen in words else {chosen: chosen})}.items())


def save_form(folder: Path, given: Mapping[str, Any], t: Texts) -> SettingsForm:
    """Write what a form holds into ``study.toml``; with problems nothing is written.

    Raises
    ------
    BadInputError
        If the file cannot be read.
    """
    texts = {
        name: tuple(str(given.get(f"{name}_{axis}", "")).strip() for axis in AXES) for name in ("spacing", "patch_size")
    }
    trainer, device = str(given.get("trainer", "")), str(given.get("device", ""))
    problems: dict[str, str] = {}
    plan: dict[str, tuple[float, ...] | None] = {}
    for name, edges in texts.items():
        plan[name] = _three(edges, whole=name == "patch_size")
        if plan[name] is None and any(edges):
            problems[name] = t(f"settings.{name}_rule", value=" ".join(edges))
    if device not in DEVICES:
        problems["device"] = t("settings.no_choice", value=device)
    if not problems:
        written = read_settings(folder)
        try:
            settings = open_study(
                folder, changes={"study": {"device": device}, "plan": {**plan}, "train": {"trainer": trainer}}
            )
        except BadInputError as error:
            problems["trainer"] = problem_words(str(error), t)
        else:
            if settings != written:
                write_settings(folder, settings)
    return SettingsForm(trainer, device, texts["spacing"], texts["patch_size"], problems)


def _three(edges: tuple[str, ...], *, whole: bool) -> tuple[float, ...] | None:
    """Read three numbers, by the rules that ``study.toml`` has for them; None if they are not that."""
    try:
        numbers = tuple(int(edge) if whole else float(edge.replace(",", ".")) for edge in edges)
    except ValueError:
        return None
    fit = all(edge >= 8 and edge % 8 == 0 for edge in numbers) if whole else all(0.1 <= e <= 20 for e in numbers)
    return numbers if fit else None
