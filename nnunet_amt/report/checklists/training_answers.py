"""Answers about the training: from the first weights to the checkpoint that predicts."""

from __future__ import annotations

from nnunet_amt import paper
from nnunet_amt.report.checklists.item import Answer, answered, authors, partly
from nnunet_amt.report.checklists.model_answers import PREDICT, description
from nnunet_amt.report.checklists.wording import counted
from nnunet_amt.study.facts.facts import ModelFacts, StudyFacts


def initialisation(facts: StudyFacts) -> Answer:
    """Say what the first weights were (CLAIM 24)."""
    model = facts.model
    if model is None or not model.is_amt_recipe:
        return authors(
            "say how the weights were initialised, at random or from another training.", _unknown(model), "#done"
        )
    text = "Weights of (de)convolutions from the uniform Glorot distribution, biases zero; the draw has no seed."
    if model.pretrained:
        return authors(
            "say from which weights the training began, and on what they were trained.",
            "The recorded training was given pretrained weights.",
            "#settings",
        )
    if model.pretrained is None:
        return partly(text, "that no pretrained weights were given, of which there is no record here.", "#done")
    return answered(f"{text} No pretrained weights.", "#done")


def training(facts: StudyFacts) -> Answer:
    """Describe augmentation, optimiser, batches and stopping (CLAIM 25)."""
    model = facts.model
    if model is None or not model.is_amt_recipe:
        return authors(
            "give augmentation, loss, optimiser, learning rate, batch size, epochs and how training was stopped.",
            f"{_unknown(model)} {_length(model)}".strip(),
            "#settings",
        )
    text = _recipe(model)
    if model.epochs is None:
        return partly(text, "the number of epochs, of which no training log is here.", "#done")
    return answered(text, "#done")


def _recipe(model: ModelFacts) -> str:
    beta1, beta2 = paper.ADAM_BETAS
    low, high = paper.SCALING_RANGE
    return (
        f"Each crop is rotated by -10 to 10 degrees in the axial plane and scaled by {low:g} to {high:g} along each "
        "axial axis; no mirroring, no change of intensities. Loss: minus the soft Dice of the tumour over the batch. "
        f"Adam, constant learning rate {paper.LEARNING_RATE:g}, betas {beta1:g} and {beta2:g}, no weight decay, "
        f"batches of {model.batch_size or paper.BATCH_SIZE} crops. No early stopping; mixed precision on a GPU. The "
        f"loss and the Dice of the tuning set were logged. {_length(model)}"
    ).strip()


def _length(model: ModelFacts | None) -> str:
    """Tell epochs, time and device as far as they are known."""
    if model is None:
        return ""
    steps = "" if model.steps_per_epoch is None else f" of {counted(model.steps_per_epoch, 'step')}"
    epochs = f"{counted(model.epochs, 'epoch')}{steps} by the training log." if model.epochs is not None else ""
    hours = "" if model.training_seconds is None else f" {_duration(model.training_seconds)}"
    device = f" on {model.training_device}" if model.training_device and hours else ""
    return f"{epochs}{hours}{device}{'.' if hours else ''}".strip()


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def selection(facts: StudyFacts) -> Answer:
    """Say why this checkpoint (CLAIM 26)."""
    model = facts.model
    if model is None or model.checkpoint is None:
        return authors("say how the final model was chosen.", PREDICT, "#done")
    digest = f" (SHA-256 {model.checkpoint_sha256})" if model.checkpoint_sha256 else ""
    if model.checkpoint == "checkpoint_final.pth":
        return answered(f"The last epoch: {model.checkpoint}{digest}; nothing was selected.", "#done")
    if not model.is_amt_recipe or model.checkpoint != "checkpoint_best.pth":
        return partly(f"{model.checkpoint}{digest} made the predictions.", "by which rule it was chosen.", "#done")
    if "all" in model.folds:
        return answered(
            "The epoch with the highest mean Dice over cases that were trained on too (fold all): "
            f"{model.checkpoint}{digest}. The external test set had no part in it.",
            "#done",
        )
    return answered(
        "The epoch with the highest mean Dice over the whole CTs of the tuning set, among those in which it was "
        f"measured: {model.checkpoint}{digest}. The external test set had no part in it.",
        "#done",
    )


def model_building(facts: StudyFacts) -> Answer:
    """Join model, training and selection (TRIPOD+AI 12c)."""
    if facts.model is None or not facts.model.is_amt_recipe:
        return description(facts)
    model = facts.model
    chosen = selection(facts)
    rule = f" {chosen.text}" if chosen.status == "answered" else ""
    internal = "" if "all" in model.folds else " The Dice of the tuning set is the only internal validation."
    return partly(
        f"{description(facts).text} {_recipe(model)}{rule} This software tunes no hyperparameter.{internal}",
        "why this type of model, and whether settings were tried before these.",
        "#done",
    )


def _unknown(model: ModelFacts | None) -> str:
    if model is None:
        return PREDICT
    return f"Of the trainer {model.trainer or 'that is not recorded'} this report knows no settings."
