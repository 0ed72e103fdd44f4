"""What the commands of the study of risk share: their options, and how cohort, settings and device follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnunet_amt.base.progress import Progress
from nnunet_amt.cli import options
from nnunet_amt.errors import BadInputError

if TYPE_CHECKING:
    from nnunet_amt.risk.cases import Carcinoma as ChosenCarcinoma
    from nnunet_amt.risk.cases import RiskCohort
    from nnunet_amt.risk.risk_settings import RiskSettings

_MOST_DATASETS, _CONVERTED_AS = 999, 711
RISK, TASKS = "risk", ("risk", "binary", "multiclass")
_OF_RISK, _OF_LESIONS = "Of --task risk alone", "Of --task binary and multiclass alone"

Task = Annotated[
    str,
    typer.Option(
        "--task",
        metavar="risk|binary|multiclass",
        help="Low or high risk of thymomas; or, from CT, circulating tumour cells (CTC) and clinical data, benign or "
        "malignant lesions of the mediastinum, or their classes.",
    ),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task", metavar="risk|binary|multiclass", help="As of risk train; may be repeated.", show_default="risk"
    ),
]
ClassMap = Annotated[
    Path | None,
    typer.Option(
        "--class-map",
        metavar="FILE.csv",
        help="Columns diagnosis, class (empty: binary task alone), malignant (yes, no).",
        show_default="as the study was begun; at its beginning the paper's 20 diagnoses",
        rich_help_panel=_OF_LESIONS,
    ),
]
CtcUnit = Annotated[
    str | None,
    typer.Option(
        "--ctc-unit",
        metavar="UNIT",
        help="Of the column ctc_level, such as pg/ml or cells/7.5 ml; never converted.",
        show_default="as the study was begun; at its beginning not stated",
        rich_help_panel=_OF_LESIONS,
    ),
]
Repeats = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Trainings of each network, with seeds from --seed on.", show_default="3",
        rich_help_panel=_OF_LESIONS,
    ),
]  # fmt: skip
RegNetDepth = Annotated[
    int | None,
    typer.Option(
        "--regnet", metavar="20|32|56|50", help="Layers of the RegNet; 50 is the one of bottlenecks.",
        show_default="20", rich_help_panel=_OF_LESIONS,
    ),
]  # fmt: skip
Cell = Annotated[
    str | None,
    typer.Option(
        metavar="lstm|gru|rnn", help="The RegNet's regulator.", show_default="lstm", rich_help_panel=_OF_LESIONS
    ),
]
WithNoise = Annotated[
    bool,
    typer.Option("--with-noise", help="Leave the third channel as it is, not denoised.", rich_help_panel=_OF_LESIONS),
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder of the study of risk, the same for all stages.")
]
TypedDataset = Annotated[
    int,
    typer.Argument(
        min=1,
        max=999,
        metavar="DATASET",
        help="Number of a converted dataset with who_type, or with diagnosis, in nnUNet_raw of FOLDER or beside it, "
        "else in $nnUNet_raw; -d N is the same.",
    ),
]
Carcinoma = Annotated[
    str | None,
    typer.Option(
        "--carcinoma",
        metavar="out|high",
        help="Leave thymic carcinomas out, or count them as high risk.",
        show_default="as the study was begun; at its beginning out",
        rich_help_panel=_OF_RISK,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="densenet121, resnet101, inception_v3, vgg11, mobilenet_v2, shufflenet_v2_x1_0, shufflenet_v2_x0_5, "
        "efficientnet_lite0 (frozen), radiomics or clinical; of binary and multiclass dmfn, regnet, plain-cnn or "
        "dmfn-shuffled-ctc; may be repeated.",
        show_default="all but shufflenet_v2_x0_5; of binary and multiclass all",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Epochs of the networks.", show_default="the paper's 500; of binary and multiclass 100"
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        min=32,
        metavar="PX",
        help="Side of the networks' images.",
        show_default="224, Inception 299; of binary and multiclass as the study was begun, at its beginning 128",
    ),
]
FromScratch = Annotated[
    bool,
    typer.Option(
        "--from-scratch",
        help="Train without ImageNet weights, for networks that have none here.",
        rich_help_panel=_OF_RISK,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|FOLDER",
        help="ImageNet weights: the file of the one network that is named, or a folder of torchvision's files.",
        show_default="where torch keeps its downloads",
        rich_help_panel=_OF_RISK,
    ),
]
Grid = Annotated[
    list[float] | None,
    typer.Option(
        "--grid",
        metavar="RATE",
        help="A further learning rate for the folds to choose; may be repeated.",
        rich_help_panel=_OF_RISK,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        min=2,
        metavar="N",
        help="Folds of the cross-validation, grouped by patient.",
        show_default="5",
        rich_help_panel=_OF_RISK,
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Of folds, first weights and batches.")]


def raw_dataset(dataset: int, output: Path) -> Path:
    """Find a raw dataset: in the folder of the study or beside it, as a demo has it, or where nnU-Net looks for it."""
    from nnunet_amt.nnunet.environment import dataset_name, folder_from_environment

    for raw in (output / "nnUNet_raw", output.absolute().parent / "nnUNet_raw"):
        if any(raw.glob(f"Dataset{dataset:03d}_*")):
            return raw / dataset_name(dataset, raw)
    raw = folder_from_environment("nnUNet_raw")
    return raw / dataset_name(dataset, raw)


def raw_or_converted(given: str, output: Path, *, jobs: int | None, executor: str | None, progress: Progress) -> Path:
    """Find a raw dataset by its number, or convert a manifest into the folder of the study."""
    from nnunet_amt.base.files import require_no_file
    from nnunet_amt.dataset_conversion import convert

    require_no_file(output)
    if given.isdecimal():
        if not 1 <= int(given) <= _MOST_DATASETS:
            raise BadInputError(f"{given}: is no number of a dataset; they go from 1 to {_MOST_DATASETS}")
        return raw_dataset(int(given), output)
    return convert(
        Path(given), output / "nnUNet_raw", dataset_id=_CONVERTED_AS, jobs=options.worker_processes(jobs),
        executor=executor, progress=progress,
    ).dataset_folder  # fmt: skip


def risk_cohort(raw: Path, output: Path, carcinoma: str | None, progress: Progress) -> RiskCohort:
    """Read the cohort of a study of risk, see `open_cohort`."""
    from nnunet_amt.risk.study_cohort import open_cohort

    return open_cohort(raw, output, carcinoma=chosen_carcinoma(carcinoma), progress=progress)


def chosen_carcinoma(given: str | None) -> ChosenCarcinoma | None:
    """Take the option ``--carcinoma``, whose words are looked at here."""
    if given is not None:
        options.require_choice("--carcinoma", given, ("out", "high"))
    return given  # type: ignore[return-value]


def risk_settings(
    models: list[str] | None,
    epochs: int | None,
    size: int | None,
    from_scratch: bool,
    grid: list[float] | None,
    carcinoma: str | None,
    folds: int | None,
    seed: int,
) -> RiskSettings:
    """Make the settings of the study of the options."""
    from nnunet_amt.risk.folds import FOLDS
    from nnunet_amt.risk.networks.settings import EPOCHS
    from nnunet_amt.risk.risk_settings import PAPER_MODELS, RiskSettings

    return RiskSettings(
        models=tuple(dict.fromkeys(models or PAPER_MODELS)), epochs=epochs or EPOCHS, size=size,
        pretrained=not from_scratch, grid=tuple(grid or ()), carcinoma=chosen_carcinoma(carcinoma),
        folds=folds or FOLDS, seed=seed,
    )  # fmt: skip


def chosen_device(device: str) -> str:
    """Take the option ``--device``; BadInputError if there is no such device."""
    from nnunet_amt.nnunet.environment import require_device

    return require_device(device)
