"""A training on several GPUs is the same training: tested with gloo, without a GPU.

Only what needs CUDA is left out: SyncBatchNorm, which runs on nothing else, and NCCL.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as nnunet_module
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nnunet_amt.errors import BadInputError
from nnunet_amt.models.plans import require_sample_for_every_gpu
from nnunet_amt.trainers import tuning
from nnunet_amt.trainers.recipe import TumourDiceLoss
from nnunet_amt.trainers.tuning import cases_of_this_rank
from tests.conftest import TINY_DATASET, tiny_case
from tests.trainers.tiny_training import TinyTrainer, make

# How nnU-Net spreads a batch of three.
SAMPLES_PER_RANK = {2: (2, 1), 3: (1, 1, 1)}


def on_ranks(work: Callable[..., Any], ranks: int, folder: Path, *arguments: Any) -> list[Any]:
    """Run `work(rank, *arguments)` in as many processes, joined by gloo; give what each returned."""
    multiprocessing.spawn(  # type: ignore[attr-defined]
        _on_rank, (ranks, folder, work, arguments), nprocs=ranks
    )
    return [torch.load(folder / f"rank_{rank}.pt", weights_only=False) for rank in range(ranks)]


def _on_rank(rank: int, ranks: int, folder: Path, work: Callable[..., Any], arguments: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks)
    torch.save(work(rank, *arguments), folder / f"rank_{rank}.pt")
    dist.destroy_process_group()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Three samples; the first, the random one, has no tumour; 2 is the ignore label."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(3, 1, 4, 6, 6, generator=generator)
    reference = torch.randint(0, 3, (3, 1, 4, 6, 6), generator=generator)
    reference[0] = 0
    return image, reference


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.Tanh(), nn.Conv3d(4, 2, 1))


def loss_and_gradients(model: nn.Module, samples: slice, ddp: bool) -> tuple[float, list[torch.Tensor]]:
    image, reference = (part[samples] for part in batch())
    loss = TumourDiceLoss(ignore_label=2, ddp=ddp)(model(image), reference)
    loss.backward()
    return loss.item(), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def loss_on_rank(rank: int) -> tuple[float, list[torch.Tensor]]:
    counts = SAMPLES_PER_RANK[dist.get_world_size()]
    samples = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
    return loss_and_gradients(DistributedDataParallel(network()), samples, ddp=True)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_loss_and_gradients_are_those_of_the_whole_batch(ranks: int, tmp_path: Path) -> None:
    """With two ranks they hold two samples and one: nnU-Net's own Dice cannot gather those."""
    loss, gradients = loss_and_gradients(network(), slice(None), ddp=False)
    for own_loss, own_gradients in on_ranks(loss_on_rank, ranks, tmp_path):
        assert own_loss == pytest.approx(loss, abs=1e-6)
        for own, expected in zip(own_gradients, gradients, strict=True):
            assert torch.allclose(own, expected, atol=1e-6)


class ObservedTrainer(TinyTrainer):
    """Measures its interval, and is told times that differ between the ranks."""

    fixed_tuning_interval = None

    def on_train_epoch_end(self, train_outputs: list[dict]) -> None:
        super().on_train_epoch_end(train_outputs)
        self._epoch_seconds = 1e-3 * (1 + dist.get_rank())  # the ranks would choose different intervals


def train_on_rank(rank: int, environment: dict[str, str]) -> dict[str, Any]:
    """Train one epoch of one step, and tell what this rank saw."""
    os.environ.update(environment)
    with (
        mock.patch.object(nnunet_module, "DDP", lambda model, device_ids: DistributedDataParallel(model)),
        mock.patch.object(nn.SyncBatchNorm, "convert_sync_batchnorm", lambda model: model),
    ):
        trainer = make(ObservedTrainer, TINY_DATASET)
        trainer.num_epochs, trainer.num_iterations_per_epoch = 100, 1
        trainer.on_train_start()
    loader = trainer.dataloader_train.data_loader
    with_tumour = [(next(trainer.dataloader_train)["target"] == 1).flatten(1).any(1).tolist() for _ in range(20)]
    trainer.on_epoch_start()
    trainer.on_train_epoch_start()
    trainer.on_train_epoch_end([trainer.train_step(next(trainer.dataloader_train))])
    with torch.no_grad(), mock.patch.object(tuning, "_predict", constant_logits):
        trainer.on_validation_epoch_start()
        trainer.on_validation_epoch_end([])
    trainer.on_epoch_end()
    return {
        "forced": [loader.get_do_oversample(sample) for sample in range(loader.batch_size)],
        "with_tumour": with_tumour,
        "cases": cases_of_this_rank(trainer._tuning_cases.identifiers),
        "dice": trainer.logger.get_value("mean_fg_dice", step=-1),
        "schedule": trainer.tuning_schedule,
        "weights": dict(trainer.network.module.named_parameters()),
        "folder": Path(trainer.output_folder),
    }


def constant_logits(predictor: Any, image: np.ndarray, log: Any) -> torch.Tensor:
    """Say tumour in the first half of the slices: the same whatever a step has made of the weights."""
    logits = torch.zeros(2, *image.shape[1:])
    logits[1, : image.shape[1] // 2] = 1.0
    return logits


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_training_on_several_ranks_is_one_training(ranks: int, planned_base: Path, tmp_path: Path) -> None:
    """Crops, tuning cases, tuning Dice, schedule, weights and files of all ranks fit together."""
    variables = {name: str(planned_base / name) for name in ("nnUNet_raw", "nnUNet_preprocessed")}
    variables |= {"nnUNet_results": str(tmp_path / "results"), "nnUNet_n_proc_DA": "0", "nnUNet_compile": "f"}
    seen = on_ranks(train_on_rank, ranks, tmp_path, variables)

    # one random crop a batch, on the first rank; all others on the tumour
    assert [forced for rank in seen for forced in rank["forced"]] == [False, True, True]
    assert [len(rank["forced"]) for rank in seen] == list(SAMPLES_PER_RANK[ranks])
    for rank in seen:
        forced = np.array(rank["forced"])
        assert np.array(rank["with_tumour"])[:, forced].all()

    # two tuning cases, each predicted once; every rank knows the same mean, that of one process
    assert sorted(case for rank in seen for case in rank["cases"]) == ["d", "e"]
    labels = [tiny_case(seed)[1] for seed in (3, 4)]
    overlaps = [2 * label[:8].sum() / (label.sum() + label[:8].size) for label in labels]
    assert [rank["dice"] for rank in seen] == pytest.approx([np.mean(overlaps)] * ranks)
    assert all(rank["schedule"] == seen[0]["schedule"] for rank in seen)

    # one optimiser step left the same weights everywhere, and only the first rank wrote them
    for rank in seen:
        for name, weight in rank["weights"].items():
            assert torch.allclose(weight, seen[0]["weights"][name], atol=1e-6), name
    saved = torch.load(seen[0]["folder"] / "checkpoint_latest.pth", weights_only=False)["network_weights"]
    assert torch.equal(saved["head.weight"], seen[0]["weights"]["head.weight"])
    assert len(list(seen[0]["folder"].glob("training_log_*.txt"))) == 1


def test_more_gpus_than_samples_are_refused() -> None:
    require_sample_for_every_gpu(3)
    with pytest.raises(BadInputError, match="-num_gpus 4: the paper's batch has 3 samples"):
        require_sample_for_every_gpu(4)


def refusal_on_rank(rank: int, environment: dict[str, str]) -> str:
    os.environ.update(environment)
    with pytest.raises(BadInputError) as refusal:
        make(ObservedTrainer, TINY_DATASET).initialize()
    return str(refusal.value)


@pytest.mark.slow
def test_trainer_refuses_four_ranks(planned_base: Path, tmp_path: Path) -> None:
    """nnU-Net itself would end in an assertion."""
    variables = {name: str(planned_base / name) for name in ("nnUNet_raw", "nnUNet_preprocessed")}
    messages = on_ranks(refusal_on_rank, 4, tmp_path, {**variables, "nnUNet_results": str(tmp_path / "results")})
    assert all("use at most 3" in message for message in messages)
