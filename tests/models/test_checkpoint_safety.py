"""A checkpoint that would run code is refused before it can, by every command that has nnU-Net load one."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from copy import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from nnunet_amt.cli.commands import app
from nnunet_amt.errors import BadInputError
from nnunet_amt.models.checkpoint_safety import read_checkpoint
from tests.conftest import TINY_DATASET, set_nnunet_folders
from tests.models.model_fixtures import Marker, write_model

runner = CliRunner()
STOCK_ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 3,
        "features_per_stage": [4, 4, 4],
        "conv_op": "torch.nn.Conv3d",
        "kernel_sizes": [3, 3, 3],
        "strides": [1, 2, 2],
        "n_conv_per_stage": 1,
        "n_conv_per_stage_decoder": 1,
    },
    "_kw_requires_import": ["conv_op"],
}
ADVICE = "take models only from people you trust"


def test_fixture_is_dangerous(tmp_path: Path) -> None:
    """Loaded as nnU-Net loads, it does run: what the other tests see refused is real."""
    torch.save({"network_weights": Marker(tmp_path / "ran")}, tmp_path / "c.pth")
    torch.load(tmp_path / "c.pth", weights_only=False)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["predict", "711", "--output", "out"], "checkpoint_best.pth"),
        (["predict", "711", "--output", "out", "--slurm-array", "1"], "checkpoint_best.pth"),
        (["train", "711"], "checkpoint_latest.pth"),
        (["train", "711", "--c"], "checkpoint_final.pth"),
        (["train", "711", "--val"], "checkpoint_final.pth"),
        (["train", "711", "--restart", "--val_best"], "checkpoint_best.pth"),
        (["train", "711", "-pretrained_weights", "CHECKPOINT"], "weights.pth"),
        (["doctor", "-d", "711"], "checkpoint_final.pth"),
        (["doctor", "--checkpoint", "CHECKPOINT"], "weights.pth"),
    ],
)
def test_every_command_refuses_and_nothing_runs(
    planned_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], name: str
) -> None:
    set_nnunet_folders(monkeypatch, planned_base)
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "ran"
    checkpoint = write_model(tmp_path / "results", planned_base, name, logging=Marker(marker))
    started: list[object] = []
    monkeypatch.setattr("nnunet_amt.nnunet.process.run_stock_command", lambda *_, **__: started.append(_))
    device = [] if command[0] == "doctor" else ["--device", "cpu"]
    arguments = [str(checkpoint) if word == "CHECKPOINT" else word for word in command]
    result = runner.invoke(app, [*arguments, *device])
    assert result.exit_code == (1 if command[0] == "doctor" else 2)
    said = result.output if command[0] == "doctor" else result.stderr
    (line,) = [line for line in said.splitlines() if "would call posix.system" in line]
    assert ADVICE in line
    assert not started
    assert not marker.exists()


def test_what_our_trainer_writes_is_read(planned_base: Path, tmp_path: Path) -> None:
    content = read_checkpoint(write_model(tmp_path, planned_base))
    assert content["_best_ema"] == 0.25
    assert content["logging"]["train_losses"] == [0.5]


def test_what_the_stock_trainer_writes_is_read(planned_base: Path, tmp_path: Path) -> None:
    """nnU-Net's own trainer, saved by its own method."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    preprocessed = planned_base / "nnUNet_preprocessed" / TINY_DATASET
    plans = json.loads((preprocessed / "nnUNetAMTPlans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"] = STOCK_ARCHITECTURE
    description = json.loads((preprocessed / "dataset.json").read_text())
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_nnunet_folders(monkeypatch, planned_base)
        monkeypatch.setenv("nnUNet_results", str(tmp_path))
        stock_plans = {**plans, "continue_training": False}
        trainer = nnUNetTrainer(stock_plans, "3d_fullres", 0, description, torch.device("cpu"))
        trainer.initialize()
    losses = {
        "train_losses": np.float32(1),
        "mean_fg_dice": np.float64(0.5),
        "dice_per_class_or_region": [np.float64(1)],
    }
    for name, value in losses.items():
        trainer.logger.log(name, value, 0)
    trainer.save_checkpoint(str(tmp_path / "checkpoint_final.pth"))
    content = read_checkpoint(tmp_path / "checkpoint_final.pth")
    assert content["trainer_name"] == "nnUNetTrainer"
    assert content["logging"]["mean_fg_dice"] == [0.5]


def test_older_formats_are_never_unpickled(tmp_path: Path) -> None:
    """The pickle of torch before 1.6, the tar archive before that, and a bare pickle of text."""
    path = tmp_path / "c.pth"
    harmful = {"network_weights": Marker(tmp_path / "ran")}
    torch.save(harmful, path, _use_new_zipfile_serialization=False)
    legacy = path.read_bytes()
    part = tarfile.TarInfo("storages")
    part.size = len(legacy)
    with tarfile.open(path, "w") as archive:
        archive.addfile(part, io.BytesIO(legacy))
    for content in (legacy, path.read_bytes(), pickle.dumps(harmful, protocol=0)):
        path.write_bytes(content)
        said = refusal(path)
        assert "older than the zip format" in said
        assert "can run code on your machine when loaded; refused; " + ADVICE in said
    assert not (tmp_path / "ran").exists()


def test_zip_behind_a_legacy_pickle_is_refused(tmp_path: Path) -> None:
    """Python finds a zip file by its end, torch by its beginning, where the other pickle stands."""
    path = tmp_path / "c.pth"
    torch.save({}, path)
    whole = path.read_bytes()
    path.write_bytes(pickle.dumps(Marker(tmp_path / "ran"), protocol=2) + whole)
    assert zipfile.is_zipfile(path)
    with pytest.raises(BadInputError, match="older than the zip format"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_cut_off_and_flipped_bytes(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    torch.save({"network_weights": {"w": torch.arange(1000.0)}}, path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:middle], b"", whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(BadInputError, match="is damaged"):
            read_checkpoint(path)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """torch.load would hand it to torch.jit.load, whose archives are programs."""
    path = tmp_path / "c.pth"
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), str(path))
    with pytest.raises(BadInputError, match="is a TorchScript archive"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [np.array([1, "x"], dtype=object)[0:1], torch.nn.ReLU(), Path("x")])
def test_other_objects_are_named_and_refused(tmp_path: Path, content: object) -> None:
    """Harmless as these are, the way they are read is the way harmful ones would be."""
    torch.save({"network_weights": {}, "logging": content}, tmp_path / "c.pth")
    with pytest.raises(BadInputError, match=r"it would call (numpy|torch|pathlib)\."):
        read_checkpoint(tmp_path / "c.pth")


def test_number_with_a_forged_dtype_is_refused(tmp_path: Path) -> None:
    """A dtype of objects would let the bytes of a number stand for any address."""
    path = tmp_path / "c.pth"

    class Forged:
        def __reduce__(self) -> tuple:
            dtype_of_objects = np.dtype("O")
            return np.float64(0).__reduce__()[0], (dtype_of_objects, b"12345678")

    torch.save({"logging": Forged()}, path)
    with pytest.raises(BadInputError, match="can run code"):
        read_checkpoint(path)


MARK, STOP = b"(", b"."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def called(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + MARK + b"".join(arguments) + b"tR"


def number(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(*values: int) -> bytes:
    return MARK + b"".join(map(number, values)) + b"t"


def dictionary(value: bytes) -> bytes:
    return b"\x80\x02}" + text("logging") + value + b"s" + STOP


def storage(values: int, key: str = "0") -> bytes:
    parts = (text("storage"), named("torch", "FloatStorage"), text(key), text("cpu"), number(values))
    return MARK + b"".join(parts) + b"tQ"


def tensor(values: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, key: str = "0") -> bytes:
    hooks = called("collections", "OrderedDict")
    head = storage(values, key), number(offset), numbers(*size), numbers(*stride), b"\x89", hooks
    return called("torch._utils", "_rebuild_tensor_v2", *head)


def write_archive(path: Path, content: bytes, *, packed: bool = False) -> Path:
    """Write an archive as torch does, of any pickle, with one storage of four numbers."""
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("c/data.pkl", content)
        archive.writestr("c/byteorder", "little")
        archive.writestr("c/data/0", struct.pack("<4f", 1, 2, 3, 4))
        archive.writestr("c/version", "3\n")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInputError) as raised:
        read_checkpoint(path)
    assert "\n" not in str(raised.value)
    assert ADVICE in str(raised.value)
    return str(raised.value)


def test_hand_written_archive_is_read(tmp_path: Path) -> None:
    """What the next tests forge is refused for what is forged in it alone."""
    whole = write_archive(tmp_path / "c.pth", dictionary(tensor(4, (2, 2), (2, 1))))
    assert read_checkpoint(whole)["logging"].tolist() == [[1, 2], [3, 4]]


def subarray() -> bytes:
    """Give a NumPy number whose type is four numbers: NumPy reads behind the eight bytes, and crashes."""
    four_floats = MARK + called("numpy", "dtype", text("f8"), b"\x89", b"\x88") + numbers(4) + b"t"
    state = MARK + number(3) + text("<") + four_floats + b"NN" + number(-1) + number(-1) + number(0) + b"t"
    kind = called("numpy", "dtype", text("f8"), b"\x89", b"\x88") + state + b"b"
    return called("numpy._core.multiarray", "scalar", kind, b"N")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (called("builtins", "bytearray", number(3_400_000_000)), "would call builtins.bytearray"),
        (called("torch._utils", "_rebuild_meta_tensor_no_storage", b"N"), "would call torch._utils._rebuild_meta"),
        (called("torch._utils", "_rebuild_sparse_tensor", b"N"), "would call torch._utils._rebuild_sparse_tensor"),
        (called("torch", "Tensor") + b"Nb", "would call torch.Tensor"),
        (called("builtins", "set", b"]"), "would call builtins.set"),
        (called("collections", "Counter"), "would call collections.Counter"),
        (named("torch.serialization", "_get_layout"), "would call torch.serialization._get_layout"),
        (named("torch._utils", "_rebuild_tensor_v2"), "holds a function"),
        (named("torch", "FloatStorage"), "holds a _StorageType"),
        (storage(4), "holds a _Storage"),
        (subarray(), "holds a NumPy type that is no number"),
        (called("numpy", "dtype", text("O"), b"\x89", b"\x88"), "holds a NumPy type 'O'"),
        (called("numpy", "dtype", text("(9999,9999)f8"), b"\x89", b"\x88"), "holds a NumPy type '(9999,9999)f8'"),
        (b"]r" + struct.pack("<I", 200_000_000), "holds a place that would fill the memory"),
        (b"Popen\n", "holds an instruction PERSID"),
        (b"\x82\x01", "holds an instruction EXT1"),
        (b"iposix\nsystem\n", "holds an instruction INST"),
        (text("posix") + text("system") + b"\x93", "holds an instruction STACK_GLOBAL"),
        (text("x") + b"Q", "holds a reference to no storage"),
        (tensor(10**9, (2,), (1,)), "holds a storage of 1000000000 values in 16 bytes"),
        (tensor(4, (2,), (1,), key="../../etc/passwd"), "holds a storage of 4 values in None bytes"),
        (tensor(4, (10**12,), (0,)), "holds a tensor of 1000000000000 values in a storage of 4"),
        (tensor(4, (2,), (1,), offset=3), "holds a tensor of 2 values in a storage of 4"),
        (tensor(4, (-1,), (1,)), "holds a tensor of no size"),
        (number(1 << 65), "holds an integer of more than 64 bits"),
        (b"]" * 100 + b"a" * 99, "deeper nested, than a checkpoint"),
        (b"]q\x01h\x01a", "deeper nested, than a checkpoint"),
        (b"]q\0" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(30)), "holds more values"),
    ],
)
def test_what_would_run_crash_or_fill_the_memory_is_refused_unread(tmp_path: Path, value: bytes, said: str) -> None:
    """torch reads most of these with weights_only=True, NumPy crashes on one, and nnU-Net reads them all."""
    assert said in refusal(write_archive(tmp_path / "c.pth", dictionary(value)))


def test_archives_that_torch_did_not_write_are_refused_by_their_sizes(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    harmless = dictionary(number(1))
    write_archive(path, harmless + bytes(50_000_000), packed=True)  # 50 MB in 50 kB
    assert "its parts are packed" in refusal(path)
    write_archive(path, harmless + bytes(16_000_000))
    assert "its data.pkl has 160000" in refusal(path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(write_archive(path, harmless), "a") as more:
        more.writestr("c/data.pkl", harmless)
    assert "a part stands in it twice" in refusal(path)
    with zipfile.ZipFile(write_archive(path, harmless), "a") as more:
        more.writestr("c/DATA.PKL", harmless)  # to torch's reader the same name
    assert "a part stands in it twice" in refusal(path)
    with zipfile.ZipFile(write_archive(path, harmless), "a") as more:
        more.writestr("../data.pkl", harmless)
    assert "or several folders" in refusal(path)


def test_parts_that_lie_in_each_other_are_refused(tmp_path: Path) -> None:
    """Thousands of entries of one part's bytes would be read thousands of times."""
    path = write_archive(tmp_path / "c.pth", dictionary(number(1)) + bytes(100_000))
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("c/data.pkl")
        for i in range(50):
            again = copy(first)
            again.filename = f"c/data/{i + 1}"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True  # type: ignore[attr-defined]
    assert "its parts lie in each other" in refusal(path)


def test_exported_model_is_no_checkpoint(tmp_path: Path) -> None:
    """nnUNetv2_export_model_to_zip packs a whole folder."""
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("Dataset711_AMT/a__b__c/fold_0/checkpoint_final.pth", b"x")
    with pytest.raises(BadInputError, match="nnUNetv2_install_pretrained_model_from_zip"):
        read_checkpoint(tmp_path / "model.zip")


def test_every_kind_of_tensor_and_number_of_a_checkpoint_is_read(tmp_path: Path) -> None:
    """Shared and transposed tensors, an empty one, every precision, every number that NumPy may leave in a log."""
    shared = torch.arange(6.0).reshape(2, 3)
    kinds = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.uint8)
    content = {
        "network_weights": OrderedDict(a=shared, b=shared, c=shared.T, d=shared[1:], e=torch.zeros(0)),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "kinds": [torch.ones(2, dtype=kind) for kind in kinds],
        "logging": [np.float32(0.5), np.float16(1), np.int64(3), np.uint8(4), np.bool_(True)],
        "plain": {"n": None, "i": -(1 << 40), "x": float("nan"), 7: (1, "ä", False), "d": torch.device("cuda", 0)},
    }
    torch.save(content, tmp_path / "c.pth")
    read = read_checkpoint(tmp_path / "c.pth")
    assert torch.equal(read["network_weights"]["c"], shared.T)
    assert [kind.dtype for kind in read["kinds"]] == list(kinds)
    assert read["logging"] == content["logging"]
    assert read["plain"][7] == (1, "ä", False)


def test_anything_but_a_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save(torch.zeros(1), tmp_path / "c.pth")
    with pytest.raises(BadInputError, match="holds a Tensor, no checkpoint"):
        read_checkpoint(tmp_path / "c.pth")
