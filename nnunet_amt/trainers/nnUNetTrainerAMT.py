"""nnU-Net's trainer with the paper's recipe pinned ("Model training")."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext, redirect_stdout
from io import StringIO
from math import isnan
from pathlib import Path
from time import perf_counter, time

import torch
import torch.distributed as dist
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from nnunetv2.evaluation import evaluate_predictions
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetBaseDataset
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as nnunets_trainer
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_amt.base.files import atomic_path
from nnunet_amt.base.processes import keep_freed_memory, pools_of_threads
from nnunet_amt.errors import AMTError
from nnunet_amt.images.mediastinum import RegionOfArrays
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from nnunet_amt.models.epoch_log import Epoch, append_epoch
from nnunet_amt.models.plans import (
    PAPER,
    network_features,
    require_amt_plans,
    require_fold,
    require_same_plans,
    require_same_split,
    require_sample_for_every_gpu,
    require_tumour_labels,
    split_digest,
)
from nnunet_amt.models.tuning_pictures import (
    ShownPrediction,
    ShownSlice,
    read_shown_slice,
    write_shown_prediction,
    write_shown_slice,
)
from nnunet_amt.paper import ADAM_BETAS, LEARNING_RATE
from nnunet_amt.trainers.networks import network_of
from nnunet_amt.trainers.recipe import (
    FOREGROUND_FRACTION,
    AMTDataLoader,
    TumourDiceLoss,
    crop_size_before_augmentation,
    endless_batches,
    training_transforms,
)
from nnunet_amt.trainers.seeding import agreed_seed, seed_from_environment, seed_weights
from nnunet_amt.trainers.shown_case import choose_shown_slice
from nnunet_amt.trainers.training_files import (
    TUNING_EVALUATED,
    BatchLines,
    ProgressLog,
    best_in,
    remove_leftovers,
)
from nnunet_amt.trainers.tuning import (
    MINIMUM_EVALUATIONS,
    CaseOverlap,
    TuningRegion,
    TuningSchedule,
    cases_of_this_rank,
    describe_interval,
    describe_without_tumour,
    mean_dice,
    mean_soft_dice,
    of_all_ranks,
    tuning_interval,
    tuning_overlaps,
)


class nnUNetTrainerAMT(nnUNetTrainer):
    """Train the paper's plain 3D U-Net; `checkpoint_best.pth` is the epoch of the highest tuning Dice.

    Pinned by the paper: the network, Glorot initialisation, Adam at a constant 1e-3 without weight decay or
    gradient clipping, the Dice loss over the batch, the crops, rotation and scaling, no mirroring (neither in
    training nor in prediction), selection by the Dice of the tuning set. Ours: nnU-Net's 1000 epochs of 250
    iterations and mixed precision on a GPU. `docs/fidelity.md` has the whole list. nnU-Net reads the very signature.
    """

    recipe = PAPER
    epochs = 1000
    iterations_per_epoch = 250
    initial_rate = LEARNING_RATE
    learning_rate_exponent = 0.0  # of nnU-Net's polynomial schedule; 0 keeps the rate, as the paper does
    cpu_threads: int | None = None  # None: nnU-Net's choice, a thread a core
    # Epochs between two evaluations of the tuning set; None: measured, see `tuning_interval`, but with a seed fixed.
    fixed_tuning_interval: int | None = None

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's own signature
    ) -> None:
        require_amt_plans(plans, configuration, self.recipe)
        require_tumour_labels(dataset_json)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.epochs
        self.num_iterations_per_epoch = self.iterations_per_epoch
        self.initial_lr = self.initial_rate
        self.weight_decay = 0.0
        self.oversample_foreground_percent = FOREGROUND_FRACTION
        self.enable_deep_supervision = False
        self.num_val_iterations_per_epoch = 0  # whole tuning volumes instead of patches
        self.save_every = 1
        self.tuning_schedule = TuningSchedule(self.fixed_tuning_interval or 1)
        self.logger.local_logger = ProgressLog()
        self.seed: int | None = None
        self._take_seed(seed_from_environment())
        self._batch_lines = BatchLines()
        self._best_ema: float | None = None  # nnU-Net's name; here the best tuning Dice
        self._best_epoch: int | None = None  # from 1
        self._tuning_dice_of_this_epoch: float | None = None
        self._epoch_seconds: float | None = None
        self._epoch_started = 0.0
        self._tuning_cases: nnUNetBaseDataset | None = None
        self._tuning_predictor: nnUNetPredictor | None = None
        self._shown: ShownSlice | None = None
        region = RegionOfArrays.of_plans(plans, configuration)
        self._tuning_region = None if region is None else TuningRegion(region)  # None: everywhere, as the paper does

    # ---- seed ---------------------------------------------------------------------------------------------

    def _take_seed(self, seed: int | None) -> None:
        """Train by a seed, with which no clock may choose the epochs that `checkpoint_best.pth` is chosen from."""
        self.seed = seed
        if seed is not None and self.fixed_tuning_interval is None:
            self.fixed_tuning_interval = max(1, self.epochs // MINIMUM_EVALUATIONS)
            self.tuning_schedule = TuningSchedule(self.fixed_tuning_interval)

    def initialize(self) -> None:
        """Build network, optimiser and loss, with a seed always the same.

        On a CPU the channels are last in memory, which is faster there.
        """
        if self.seed is not None:
            self.print_to_log_file(f"Weights and batches are drawn from the seed {self.seed}")
            seed_weights(self.seed, on_cpu=self.device.type == "cpu")
        super().initialize()
        if self.device.type == "cpu":
            keep_freed_memory()
            if self.cpu_threads is not None:
                torch.set_num_threads(self.cpu_threads)
            self.network.to(memory_format=torch.channels_last_3d)

    # ---- network, loss, optimiser -------------------------------------------------------------------------

    @staticmethod
    def build_network_architecture(
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = False,
    ) -> nn.Module:
        """Build the network of the plans, as wide as they say; nnU-Net calls this in training and in prediction."""
        architecture = configuration_manager.configuration["architecture"]
        return network_of(architecture, num_input_channels, num_output_channels)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Do nothing: the paper's network has no deep supervision."""

    def _build_loss(self) -> nn.Module:
        return TumourDiceLoss(self.label_manager.ignore_label, self.is_ddp)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Adam, all weights in one pass, at a constant learning rate but where a shorter form says otherwise."""
        optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.initial_lr, betas=ADAM_BETAS, weight_decay=self.weight_decay, fused=True
        )
        exponent = self.learning_rate_exponent
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs, exponent=exponent)

    def train_step(self, batch: dict) -> dict:
        """Take one optimiser step, without the gradient clipping of nnU-Net's."""
        image = batch["data"].to(self.device, non_blocking=True)
        reference = batch["target"].to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda") if self.device.type == "cuda" else nullcontext():
            loss = self.loss(self.network(image), reference)
        if self.grad_scaler is None:
            loss.backward()
            self.optimizer.step()
        else:
            self.grad_scaler.scale(loss).backward()
            self.grad_scaler.step(self.optimizer)
            self.grad_scaler.update()
        self._batch_lines.one_done()
        return {"loss": loss.detach().cpu().numpy()}

    # ---- samples ------------------------------------------------------------------------------------------

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(  # noqa: N802 - nnU-Net's name
        self,
    ) -> tuple[None, bool, list[int], None]:
        """Give no mirroring axes, and the crop that rotation and scaling need."""
        self.inference_allowed_mirroring_axes = None
        return None, False, crop_size_before_augmentation(self.configuration_manager.patch_size), None

    def get_dataloaders(self) -> tuple[Iterable[dict], None]:
        """Give the training batches; the tuning set is read as whole volumes, so it has no loader."""
        patch_size = self.configuration_manager.patch_size
        training_cases, self._tuning_cases = self.get_tr_and_val_datasets()
        loader = AMTDataLoader(
            training_cases,
            self.batch_size,
            crop_size_before_augmentation(patch_size),
            patch_size,
            self.label_manager,
            oversample_foreground_percent=self.oversample_foreground_percent,
            transforms=self.sample_transforms(patch_size),
            seed=self.seed,
            rank=self.local_rank,
            first_batch=self.current_epoch * self.num_iterations_per_epoch,
        )
        return endless_batches(loader, pin_memory=self.device.type == "cuda"), None

    @staticmethod
    def sample_transforms(patch_size: Sequence[int]) -> BasicTransform:
        """Give what a sample goes through before the network sees it, of a patch of so many voxels (z, y, x)."""
        return training_transforms(patch_size)

    def _set_batch_size_and_oversample(self) -> None:
        """Spread the batch over the GPUs as nnU-Net does: its first sample stays the random one of the whole batch."""
        if self.is_ddp:
            require_sample_for_every_gpu(dist.get_world_size())
        super()._set_batch_size_and_oversample()

    def on_train_start(self) -> None:
        """Prepare the training, and clear away what a killed one left half-written."""
        super().on_train_start()
        if self.local_rank == 0:
            remove_leftovers(Path(self.output_folder))
        self._shown = self._chosen_slice()  # here, where no clock runs that decides how often the cases are evaluated
        if self.fold == "all":
            self.print_to_log_file("Fold all: trained on every case, the tuning Dice is that of training cases")

    def print_plans(self) -> None:
        """Write the plans into the log alone: pages of numbers, which also stand beside the model."""
        with redirect_stdout(StringIO()):
            super().print_plans()

    def do_split(self) -> tuple[list[str], list[str]]:
        """Take the split of the cohort; nnU-Net would make one up by case where there is none of this number."""
        splits_file = Path(self.preprocessed_dataset_folder_base) / "splits_final.json"
        if self.fold != "all":
            require_fold(splits_file, self.fold)
        return super().do_split()

    # ---- selection on the tuning set ----------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock."""
        self._epoch_started = perf_counter()
        super().on_train_epoch_start()
        if self.local_rank == 0:
            self._batch_lines.begin(self.num_iterations_per_epoch)

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        """Log the training loss and note how long the epoch took."""
        super().on_train_epoch_end(train_outputs)
        self._epoch_seconds = perf_counter() - self._epoch_started

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Evaluate the tuning set where it is due; elsewhere repeat the last values, which nnU-Net's log needs."""
        due = self.tuning_schedule.is_due(self.current_epoch, self.num_epochs)
        if due:
            started = perf_counter()
            overlaps = self.evaluate_tuning_set()
            seconds = perf_counter() - started
            self._keep_picture(overlaps)
            dice, soft_dice = mean_dice(overlaps), mean_soft_dice(overlaps)
            without = describe_without_tumour(overlaps)
            self.print_to_log_file(
                f"Tuning Dice {dice:.4f}, mean of {len(overlaps)} whole volumes, {seconds:.1f} s{without}"
            )
            self._plan_next_evaluation(seconds)
        else:
            dice = self.logger.get_value("mean_fg_dice", step=-1)
            soft_dice = -self.logger.get_value("val_losses", step=-1)
        self._tuning_dice_of_this_epoch = dice if due else None
        self.logger.log("mean_fg_dice", dice, self.current_epoch)
        self.logger.log("dice_per_class_or_region", [dice], self.current_epoch)
        self.logger.log("val_losses", -soft_dice, self.current_epoch)
        self.logger.log(TUNING_EVALUATED, due, self.current_epoch)

    def evaluate_tuning_set(self) -> list[CaseOverlap]:
        """Predict every tuning volume in preprocessed space, by sliding window, and compare it with its reference."""
        if self._tuning_cases is None:
            _, self._tuning_cases = self.get_tr_and_val_datasets()
        if self._tuning_predictor is None:
            # as prediction uses it: half-overlapping windows, one pass without mirroring
            self._tuning_predictor = nnUNetPredictor(
                use_mirroring=False,
                device=self.device,
                perform_everything_on_device=self.device.type == "cuda",
                allow_tqdm=False,
            )
            network = self.network.module if self.is_ddp else self.network
            self._tuning_predictor.manual_initialization(
                network, self.plans_manager, self.configuration_manager, None, self.dataset_json,
                self.__class__.__name__, None,
            )  # fmt: skip
        own = tuning_overlaps(
            self._tuning_predictor,
            self._tuning_cases,
            cases_of_this_rank(self._tuning_cases.identifiers),
            self.label_manager.ignore_label,
            self.print_to_log_file,
            self._shown,
            self._tuning_region,
        )
        return of_all_ranks(own)

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Predict the tuning cases with the last weights, as nnU-Net does at the end of a training.

        On a CPU its workers are threads: as processes each would import torch, which takes longer than the little that
        is to be written.
        """
        modules = (nnunets_trainer, evaluate_predictions) if self.device.type == "cpu" else ()
        with ExitStack() as stack:
            for module in modules:
                stack.enter_context(pools_of_threads(module))
            super().perform_actual_validation(save_probabilities)

    # ---- what is kept to look at: it changes nothing of what is learnt, and no failure of it ends a training --------

    def _chosen_slice(self) -> ShownSlice | None:
        """Choose the slice of a tuning case that is looked at; a training that goes on keeps its own."""
        if self._tuning_cases is None:
            return None
        known = read_shown_slice(Path(self.output_folder)) if self.current_epoch > 0 else None
        if known is not None and known.case_id in self._tuning_cases.identifiers:
            return known
        return choose_shown_slice(
            self._tuning_cases,
            self._tuning_cases.identifiers,
            spacing=self.configuration_manager.spacing,
            intensities=self.plans_manager.plans["foreground_intensity_properties_per_channel"]["0"],
            ignore_label=self.label_manager.ignore_label,
        )

    def _keep_picture(self, overlaps: list[CaseOverlap]) -> None:
        """Write what was predicted in the slice that is looked at; of several processes the first does."""
        found = next((overlap for overlap in overlaps if overlap.predicted_in_shown is not None), None)
        if found is None or found.predicted_in_shown is None or self._shown is None or not self._writes_files():
            return
        folder, epoch = Path(self.output_folder), self.current_epoch + 1
        try:
            write_shown_slice(folder, self._shown)
            shown = ShownPrediction(epoch, found.dice, found.predicted_in_shown)
            write_shown_prediction(folder, shown, best_epoch=self._best_epoch)
        except (OSError, AMTError) as error:
            self.print_to_log_file(f"The picture of a tuning case could not be kept: {error}")

    def _log_epoch(self, *, started: float, ended: float, train_loss: float, val_loss: float) -> None:
        """Write the epoch to ``epochs.jsonl``."""
        if not self._writes_files():
            return
        evaluated = self._tuning_dice_of_this_epoch is not None
        cuda = self.device.type == "cuda"
        epoch = Epoch(
            epoch=self.current_epoch + 1,
            epochs=self.num_epochs,
            started=float(started),
            ended=float(ended),
            training_loss=float(train_loss),
            tuning_loss=float(val_loss) if evaluated else None,
            tuning_dice=self._tuning_dice_of_this_epoch,
            evaluated=evaluated,
            best_epoch=self._best_epoch,
            best_dice=self._best_ema,
            iterations=self.num_iterations_per_epoch,
            batch_size=self.configuration_manager.batch_size,
            patch_size=tuple(self.configuration_manager.patch_size),
            features=tuple(network_features(self.plans_manager.plans)),
            device=self.device.type,
            computer=torch.cuda.get_device_name(self.device) if cuda else str(torch.get_num_threads()),
        )
        try:
            append_epoch(Path(self.output_folder), epoch)
        except OSError as error:
            self.print_to_log_file(f"The epoch could not be added to the log of epochs: {error}")

    def _writes_files(self) -> bool:
        return self.local_rank == 0 and not self.disable_checkpointing

    def _plan_next_evaluation(self, seconds: float) -> None:
        schedule = self.tuning_schedule
        if self.fixed_tuning_interval is None and self._epoch_seconds is not None:
            planned = [tuning_interval(seconds, self._epoch_seconds, self.num_epochs)]
            if self.is_ddp:  # every rank must evaluate in the same epochs
                dist.broadcast_object_list(planned, src=0)
            interval, share = planned[0]
            if interval != schedule.interval:
                self.print_to_log_file(describe_interval(interval, share))
            schedule.interval = interval
        schedule.evaluated(self.current_epoch)

    def on_epoch_end(self) -> None:
        """Write the log, the checkpoints and the progress plot of this epoch."""
        self.logger.log("epoch_end_timestamps", time(), self.current_epoch)
        keys = ("train_losses", "val_losses", "epoch_start_timestamps", "epoch_end_timestamps")
        train_loss, val_loss, started, ended = (self.logger.get_value(key, step=-1) for key in keys)
        self.print_to_log_file(f"train_loss {train_loss:.4f}")
        self.print_to_log_file(f"val_loss {val_loss:.4f}")
        self.print_to_log_file(f"Epoch time: {ended - started:.2f} s")
        dice = self._tuning_dice_of_this_epoch
        if dice is not None and not isnan(dice) and (self._best_ema is None or dice > self._best_ema):
            self._best_ema, self._best_epoch = dice, self.current_epoch + 1
            self.print_to_log_file(f"Best tuning Dice so far: {dice:.4f}")
            self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_best.pth"))
        # before the latest checkpoint: killed in between, the epoch is done again, and none is missing in the log
        self._log_epoch(started=started, ended=ended, train_loss=train_loss, val_loss=val_loss)
        if (self.current_epoch + 1) % self.save_every == 0 and self.current_epoch != self.num_epochs - 1:
            self.save_checkpoint(str(Path(self.output_folder) / "checkpoint_latest.pth"))
        if self.local_rank == 0:
            self.logger.plot_progress_png(self.output_folder)
        self.current_epoch += 1

    def _split_digest(self) -> str:
        """Give what is the same for the same training and tuning cases, without naming them."""
        if self.fold == "all":
            return split_digest({"all": self.dataset_class.get_identifiers(self.preprocessed_dataset_folder)})
        splits_file = Path(self.preprocessed_dataset_folder_base) / "splits_final.json"
        require_fold(splits_file, self.fold)
        return split_digest(json.loads(splits_file.read_text())[self.fold])

    # ---- checkpoints --------------------------------------------------------------------------------------

    def save_checkpoint(self, filename: str) -> None:
        """Write nnU-Net's checkpoint and the tuning interval, whole or not at all."""
        if self.local_rank != 0 or self.disable_checkpointing:
            return
        network = self.network.module if self.is_ddp else self.network
        network = getattr(network, "_orig_mod", network)  # what torch.compile wraps
        checkpoint = {
            "network_weights": network.state_dict(),
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.grad_scaler.state_dict() if self.grad_scaler is not None else None,
            "logging": self.logger.get_checkpoint(),
            "_best_ema": self._best_ema,
            "current_epoch": self.current_epoch + 1,
            "init_args": self.my_init_kwargs,
            "trainer_name": self.__class__.__name__,
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
            "tuning_interval": self.tuning_schedule.interval,
            "next_tuning_epoch": self.tuning_schedule.next_epoch,
            "seed": self.seed,
            "split_digest": self._split_digest(),
        }
        with atomic_path(Path(filename)) as partial:
            torch.save(checkpoint, partial)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Continue from a checkpoint of the same plans that runs no code when nnU-Net loads it."""
        checkpoint = read_checkpoint(Path(filename_or_checkpoint))
        require_same_plans(
            checkpoint["init_args"]["plans"], self.plans_manager.plans, self.configuration_name, filename_or_checkpoint
        )
        self._take_seed(agreed_seed(self.seed, checkpoint, Path(filename_or_checkpoint)))
        super().load_checkpoint(filename_or_checkpoint)
        require_same_split(checkpoint.get("split_digest"), self._split_digest(), filename_or_checkpoint)
        interval = checkpoint.get("tuning_interval", self.tuning_schedule.interval)
        next_epoch = checkpoint.get("next_tuning_epoch", checkpoint["current_epoch"])
        self.tuning_schedule = TuningSchedule(interval, next_epoch)
        best = best_in(Path(self.output_folder))
        if best is not None and (self._best_ema is None or best.dice >= self._best_ema):
            self._best_ema, self._best_epoch = best.dice, best.epoch
