"""Shorter trainings, named after nnU-Net's habit, and the one of the demo."""

from __future__ import annotations

from nnunet_amt.trainers.nnUNetTrainerAMT import nnUNetTrainerAMT


class nnUNetTrainerAMT_1epoch(nnUNetTrainerAMT):
    """One epoch of five iterations, to see whether it runs at all."""

    epochs = 1
    iterations_per_epoch = 5


class nnUNetTrainerAMT_demo(nnUNetTrainerAMT):
    """A few minutes on two CPU cores, for the phantom cohort of ``nnunet_amt demo``.

    With so few steps a constant learning rate ends wherever the last batches pushed the weights, so it falls. On its
    small patches a second thread gains little and waits busily for the first, most of all where other work is going on.
    """

    epochs = 20
    iterations_per_epoch = 50
    fixed_tuning_interval = 7
    learning_rate_exponent = 0.9  # nnU-Net's own
    cpu_threads = 1


class nnUNetTrainerAMT_5epochs(nnUNetTrainerAMT):
    """The recipe for 5 epochs."""

    epochs = 5


class nnUNetTrainerAMT_20epochs(nnUNetTrainerAMT):
    """The recipe for 20 epochs."""

    epochs = 20


class nnUNetTrainerAMT_100epochs(nnUNetTrainerAMT):
    """The recipe for 100 epochs."""

    epochs = 100


class nnUNetTrainerAMT_250epochs(nnUNetTrainerAMT):
    """The recipe for 250 epochs."""

    epochs = 250


class nnUNetTrainerAMT_500epochs(nnUNetTrainerAMT):
    """The recipe for 500 epochs."""

    epochs = 500
