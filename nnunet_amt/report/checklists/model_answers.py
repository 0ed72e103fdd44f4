"""Answers about the model: what goes in, what comes out, and what lies between."""

from __future__ import annotations

from nnunet_amt import paper
from nnunet_amt.report.checklists.item import Answer, answered, authors, not_applicable, partly
from nnunet_amt.report.checklists.wording import counted, edges, joined
from nnunet_amt.study.facts.facts import DatasetFacts, ModelFacts, StudyFacts

PREDICT = "No run record leads from the predictions to their model; `nnunet_amt predict` writes one."


def preprocessing(facts: StudyFacts) -> Answer:
    """Say what was done to the images (CLAIM 9, TRIPOD+AI 7)."""
    data, model = facts.dataset, facts.model
    parts = []
    if data is not None and data.converted_by is not None:
        floor = "" if data.intensity_floor_hu is None else f", values under {data.intensity_floor_hu:g} HU raised to it"
        parts.append(
            f"The conversion wrote each CT as whole HU{floor}, on axes to the left, back and head. It refuses series "
            "with missing, doubled or unevenly spaced slices, empty masks, masks off the CT's grid, and one CT under "
            f"two names{_resampling(data)}; it does so alike for all cases."
        )
    if model is not None and model.spacing:
        parts.append(
            f"For the network, CTs were resampled to {edges(model.spacing)} mm (z, y, x). {_intensities(model)}"
        )
    add = "what was done to the images before they came to this software, if anything."
    if len(parts) == 2:
        return answered(" ".join(parts), "#settings") if facts.synthetic else partly(" ".join(parts), add, "#settings")
    if not parts:
        return authors(f"say {add}", "The study folder shows neither dataset nor plans.")
    if model is None or not model.spacing:
        parts.append(f"How CTs were resampled and normalised for the network is not known here: {PREDICT}")
    return partly(" ".join(parts), add, "#settings")


def _resampling(data: DatasetFacts) -> str:
    """Say what was brought into shape and not refused."""
    told = {"masks": "masks on another grid were brought to that of the CT", "tilt": "tilted series were straightened"}
    done = joined(told[name] for name in data.resampled)
    return f" (as asked for, {done})" if done else ""


def _intensities(model: ModelFacts) -> str:
    if model.intensities is None:
        return f"Intensities were normalised by nnU-Net's {model.normalisation}." if model.normalisation else ""
    low, high = model.intensities
    return (
        f"Intensities were rescaled from {low:g} to {high:g} HU, the range of all training and tuning images, to 0 to "
        "1, and clipped there."
    )


def subsets(facts: StudyFacts) -> Answer:
    """Say which parts of an image are used (CLAIM 10)."""
    model, data = facts.model, facts.dataset
    one = ""
    if data and data.total and data.total.cases == data.total.patients and not facts.synthetic:
        one = " One CT a patient."
    if model is None or not model.patch_size:
        return authors("say whether parts of images were chosen, such as slices or crops, and how.", PREDICT, "#done")
    crops = f"crops of {edges(model.patch_size)} voxels (z, y, x)"
    if not model.is_amt_recipe:
        return partly(
            f"Training saw {crops}; predictions are of whole CTs, by a sliding window.{one}",
            "how the crops were chosen.",
            "#settings",
        )
    return answered(
        f"Training saw {crops}: of three in a batch, one is centred anywhere in the image and two on a voxel of the "
        f"tumour. Tuning and prediction take whole CTs, by a sliding window.{one}",
        "#settings",
    )


def description(facts: StudyFacts) -> Answer:
    """Describe the network (CLAIM 22)."""
    model = facts.model
    if model is None:
        return authors("describe the model, its input and its output in full, or cite who does.", PREDICT, "#done")
    channels = f" Channels {', '.join(map(str, model.features))}." if model.features else ""
    size = "" if model.parameters is None else f" {model.parameters:,} trainable parameters."
    patch = f" of {edges(model.patch_size)} voxels (z, y, x)" if model.patch_size else ""
    if not model.is_amt_recipe:
        return partly(
            f"Trainer {model.trainer or 'not recorded'}, plans {model.plans or 'not recorded'}, network "
            f"{model.network_class or 'not recorded'}; input: CT patches{patch}; output: a mask of the tumour.{size}",
            "the layers of this network, or cite who describes them.",
            "#done",
        )
    return answered(
        f"Plain 3D U-Net of {paper.NETWORK_LEVELS} levels with skip connections, after {paper.CITATION}. Encoder: two "
        "blocks a level of 3x3x3 convolution, batch normalisation and ReLU, and 2x2x2 max pooling; decoder: 2x2x2 "
        "and 3x3x3 deconvolution, each with batch normalisation and ReLU; a 1x1x1 convolution and softmax."
        f"{channels}{size} Input: CT patches{patch}, one channel. Output: for each voxel tumour or not.",
        "#done",
    )


def software(facts: StudyFacts) -> Answer:
    """Name programs, versions and machines (CLAIM 23)."""
    runs = facts.runs
    if not runs.software:
        return authors(
            "name all libraries with their versions, and the hardware.",
            "No run record is in the study folder; each command of this release leaves one.",
            "#settings",
        )
    named = ", ".join(f"{name} {' and '.join(versions)}" for name, versions in runs.software.items())
    differing = [name for name, versions in runs.software.items() if len(versions) > 1]
    mixed = f" Stages ran with different versions of {joined(differing)}." if differing else ""
    devices = f" Computed on: {'; '.join(runs.devices)}." if runs.devices else ""
    recorded = f" Recorded stages: {', '.join(runs.stages)}."
    text = f"{named}.{mixed}{devices}{recorded}"
    if {"train", "predict", "evaluate"} <= set(runs.stages):
        return answered(text, "#settings")
    lacking = [stage for stage in ("train", "predict", "evaluate") if stage not in runs.stages]
    return partly(text, f"the same for what no record stands for here: {joined(lacking)}.", "#settings")


def ensembling(facts: StudyFacts) -> Answer:
    """Say whether several networks vote (CLAIM 27)."""
    model = facts.model
    if model is None or not model.folds:
        return authors("say whether several models were combined, and how.", PREDICT, "#done")
    if len(model.folds) == 1:
        return not_applicable(
            f"One network (fold {model.folds[0]}) made the predictions; nothing was combined.", "#done"
        )
    return answered(
        f"The tumour probabilities of {len(model.folds)} networks (folds {joined(model.folds)}) were averaged, all "
        "with the same weight, as nnU-Net does.",
        "#done",
    )


def inputs(facts: StudyFacts) -> Answer:
    """Say what the model is given (TRIPOD+AI 9a)."""
    if facts.model is None or facts.dataset is None or facts.dataset.converted_by is None:
        return authors("say what the model is given besides the CT, and why.", "" if facts.model else PREDICT)
    return answered(
        "The voxels of one CT are the only input: all of them, none chosen beforehand. Age, sex and other clinical "
        "data do not enter the model.",
        "#done",
    )


def input_measurement(facts: StudyFacts) -> Answer:
    """Say how the input came about (TRIPOD+AI 9b)."""
    if facts.synthetic:
        return answered("The input is the CT number of each voxel, drawn by the phantom program.", "#cohort")
    return partly(
        "The input is the CT number of each voxel (HU).",
        "how the CTs were made (see the acquisition of images), and when in the course of the disease.",
        "#cohort",
    )


def predictor_assessors(facts: StudyFacts) -> Answer:
    """Say that nobody interprets the input (TRIPOD+AI 9c)."""
    return not_applicable("The input is the CT itself; no one interprets it before the model sees it.")


def predictor_handling(facts: StudyFacts) -> Answer:
    """Say how the input is transformed (TRIPOD+AI 12b)."""
    model = facts.model
    if model is None or not model.spacing:
        return authors("say how images were resampled and normalised.", PREDICT, "#settings")
    return answered(
        f"CTs were resampled to {edges(model.spacing)} mm (z, y, x). {_intensities(model)}".strip(), "#settings"
    )


def predictions_made(facts: StudyFacts) -> Answer:
    """Say how a prediction comes about (TRIPOD+AI 12g)."""
    model = facts.model
    if model is None or model.checkpoint is None:
        return authors("say how predictions were computed, with program and version.", PREDICT, "#settings")
    digest = f" (SHA-256 {model.checkpoint_sha256})" if model.checkpoint_sha256 else ""
    overlap = " of half-overlapping patches with Gaussian weights" if model.usual_window else ""
    how = ", in one pass without mirroring" if model.is_amt_recipe else ""
    return answered(
        f"`nnunet_amt predict` ran nnU-Net's own prediction with {model.checkpoint}{digest}: a sliding "
        f"window{overlap}{how}; the result is brought back to the grid of the CT.",
        "#settings",
    )


def class_imbalance(facts: StudyFacts) -> Answer:
    """Say what balances tumour against background (TRIPOD+AI 13)."""
    model = facts.model
    if model is None:
        return authors("say what was done about tumours being a small part of a CT.", PREDICT)
    if not model.is_amt_recipe:
        return authors(
            "say how this trainer balances tumour and background.", f"Trainer {model.trainer or 'not known'}."
        )
    return answered(
        "A tumour is a small part of a CT: two of the three crops of a batch are centred on tumour voxels, and the "
        "Dice loss over the batch weighs tumour voxels only. No probability was recalibrated afterwards.",
        "#done",
    )


def output(facts: StudyFacts) -> Answer:
    """Say what comes out and where it is cut (TRIPOD+AI 15)."""
    if facts.model is None:
        return authors("say what the model gives out and by which threshold it is cut.", PREDICT)
    lesions = ""
    if facts.evaluation is not None:
        smallest = facts.evaluation.summary.settings.minimum_predicted_voxels
        like_paper = " as in the paper" if smallest == paper.MINIMUM_PREDICTED_VOXELS else ""
        lesions = (
            f" For lesion metrics its connected components count as lesions, those under {counted(smallest, 'voxel')} "
            f"dropped{like_paper}."
        )
    return answered(
        "A mask: a voxel is tumour where its probability is the larger of the two classes', that is above 0.5, which "
        f"is nnU-Net's rule and was not fitted.{lesions}",
        "#done",
    )


def full_model(facts: StudyFacts) -> Answer:
    """Say what identifies the model (TRIPOD+AI 22)."""
    model = facts.model
    add = "where the weights and plans can be had and under which terms, or that they cannot."
    if model is None:
        return authors(f"say {add}", PREDICT, "#settings")
    named = ", ".join(part for part in (model.trainer, model.plans, model.configuration) if part)
    digest = f", SHA-256 {model.checkpoint_sha256}" if model.checkpoint_sha256 else ""
    use = " Whoever has it and this software can predict with `nnunet_amt predict`." if model.is_amt_recipe else ""
    return partly(
        f"The model is nnU-Net's folder of {named or 'a name that is not recorded'} with "
        f"{model.checkpoint or 'its checkpoint'}{digest}.{use}",
        add,
        "#settings",
    )
