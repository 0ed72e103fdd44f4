"""The settings of a study that its page offers: as texts of a form, and from a form into ``study.toml``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_amt.app.language import Texts
from nnunet_amt.app.problem_words import problem_words
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import FAST, PAPER, recipe_of
from nnunet_amt.nnunet.environment import our_trainers
from nnunet_amt.nnunet.train import NNUNET_EPOCHS
from nnunet_amt.study.run_study import open_study
from nnunet_amt.study.settings import StudySettings, read_settings, write_settings

_EPOCHS = re.compile(rf"({PAPER.trainer}|{FAST.trainer})_(\d+)epochs?")


@dataclass(frozen=True)
class SettingField:
    """A setting in the form.

    Attributes
    ----------
    section, name
        Of ``study.toml``.
    parts
        Of a setting of several numbers, what ends the names of their fields; the field is called `name` without any.
    required
        Whether the setting has always a value; the others may be left empty, which stands for the usual one.
    """

    section: str
    name: str
    parts: tuple[str, ...] = ()
    required: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Give the names of its fields in the form."""
        return tuple(f"{self.name}_{part}" for part in self.parts) or (self.name,)

    @property
    def rule(self) -> str:
        """Give the key of the sentence that says what it may be."""
        return "settings.no_choice" if self.required else f"settings.{self.name}_rule"


FIELDS = (
    SettingField("train", "trainer", required=True),
    SettingField("study", "device", required=True),
    SettingField("plan", "spacing", ("z", "y", "x")),
    SettingField("plan", "patch_size", ("z", "y", "x")),
    SettingField("plan", "window", ("low", "high")),
    SettingField("plan", "features", ("1", "2", "3", "4")),
    SettingField("train", "fold", required=True),
    SettingField("train", "seed"),
)


@dataclass(frozen=True)
class SettingsForm:
    """What the form holds, field to text, and what is wrong with it: setting to sentence."""

    texts: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)


def form_of(settings: StudySettings) -> SettingsForm:
    """Fill the form with the settings of a study."""
    texts: dict[str, str] = {}
    for offered in FIELDS:
        value = getattr(getattr(settings, offered.section), offered.name)
        values = value if offered.parts else (value,)
        for place, name in enumerate(offered.fields):
            texts[name] = "" if value is None else _text(values[place])
    return SettingsForm(texts)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def trainer_choices(chosen: str, t: Texts) -> list[tuple[str, str]]:
    """Give the trainers with their words, the longest training first; `chosen` is among them whatever it is."""
    numbered = {name: int(found[2]) for name in our_trainers() if (found := _EPOCHS.fullmatch(name))}
    numbered |= {recipe.trainer: NNUNET_EPOCHS for recipe in (PAPER, FAST)}
    names = sorted(numbered, key=lambda name: (recipe_of(name) == FAST, -numbered[name]))
    words = {}
    for name in names:
        key = "settings.epochs_fast" if recipe_of(name) == FAST else "settings.epochs"
        words[name] = t(key, epochs=t.number(numbered[name]))
    words[PAPER.trainer] = t("settings.epochs_usual", epochs=t.number(NNUNET_EPOCHS))
    words[f"{PAPER.trainer}_1epoch"] = t("settings.epoch_try")
    words[f"{FAST.trainer}_1epoch"] = t("settings.epoch_try_fast")
    words[f"{PAPER.trainer}_demo"] = t("settings.epochs_demo")
    return list({**words, **({} if chosen in words else {chosen: chosen})}.items())


def save_form(folder: Path, given: Mapping[str, Any], t: Texts) -> SettingsForm:
    """Write what a form holds into ``study.toml``; with problems nothing is written.

    Raises
    ------
    BadInputError
        If the file cannot be read.
    """
    written = read_settings(folder)
    known, texts = form_of(written).texts, dict[str, str]()
    changes: dict[str, dict[str, object]] = {}
    for offered in FIELDS:
        for name in offered.fields:
            texts[name] = str(given.get(name, known[name] if offered.required else "")).strip()
        changes.setdefault(offered.section, {})[offered.name] = _value(offered, texts)
    refused = written.refused(changes)
    problems = {
        offered.name: t(offered.rule, value=" ".join(texts[name] for name in offered.fields))
        for offered in FIELDS
        if f"{offered.section}.{offered.name}" in refused
    }
    if not problems:
        try:
            settings = open_study(folder, changes=changes)
        except BadInputError as error:  # a trainer that there is not
            problems["trainer"] = problem_words(str(error), t)
        else:
            if settings != written:
                write_settings(folder, settings)
    return SettingsForm(texts, problems)


def _value(offered: SettingField, texts: Mapping[str, str]) -> str | tuple[str, ...] | None:
    """Give a setting as `StudySettings` reads it; a comma is a point, and wide digits are digits."""
    values = tuple(unicodedata.normalize("NFKC", texts[name]).strip() for name in offered.fields)
    if not any(values):
        return None
    return tuple(value.replace(",", ".") for value in values) if offered.parts else values[0]
