"""The training of a study on another machine: what is copied there, the script that trains, what is fetched back."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from nnunet_amt.study.settings import StudyFolders, StudySettings


@dataclass(frozen=True)
class ClusterTraining:
    """Three texts for a shell: `send` and `fetch` for this machine, `script` for the other one.

    `script_name` is a file name for it.
    """

    send: str
    script: str
    fetch: str
    script_name: str


def cluster_training(folder: Path, settings: StudySettings) -> ClusterTraining:
    """Write down how a study that is planned here is trained elsewhere.

    The prepared images and the plans are copied there, and what an earlier training left, which is then gone on with;
    no table of cases and nothing that names a patient goes. When the model is back, the study here finds its training
    done: the run record that comes with it says of what it was made.
    """
    at = StudyFolders.of(folder, settings)
    prepared, results = (str(path.relative_to(folder)) for path in (at.preprocessed, at.fold_folder.parents[1]))
    head = (
        f"cd {shlex.quote(str(folder))}\n"
        "MACHINE=name@cluster.example.org\n"
        f"PLACE={shlex.quote(folder.name)}  # a folder there\n"
    )
    begun = f'test ! -d {results} || rsync -a --relative {results} "$MACHINE:$PLACE/"\n'
    return ClusterTraining(
        send=f'{head}rsync -a --relative {prepared} "$MACHINE:$PLACE/"\n{begun}',
        script=training_script(folder.name, settings),
        fetch=f'{head}rsync -a --relative "$MACHINE:$PLACE/./{results}" .\n',
        script_name=f"train_{folder.name}.sh",
    )


def training_script(study: str, settings: StudySettings) -> str:
    """Write a bash script that trains a study's model where its folder was copied to: by sbatch, or by itself.

    Run again, it goes on where it stopped. All that is known on that machine alone is a variable at its head.
    """
    chosen, dataset = settings.train, f"Dataset{settings.study.dataset:03d}_{settings.study.name}"
    options = ["--fold", chosen.fold, "--trainer", chosen.trainer]
    options += [] if chosen.seed is None else ["--seed", str(chosen.seed)]
    train = shlex.join(["nnunet_amt", "train", str(settings.study.dataset), *options])
    nnunet = shlex.join(["--val_best", *chosen.options])  # as the study's own stage has it
    lines = [
        "#!/bin/bash",
        f"# Trains the model of the study {' '.join(study.splitlines())}. With SLURM: sbatch FILE; without: bash FILE.",
        "# Run again, it goes on from its last finished epoch.",
        "#SBATCH --job-name=nnunet_amt_train",
        "#SBATCH --output=nnunet_amt_train_%j.log",
        "#SBATCH --gres=gpu:1",
        "# For your cluster: change these lines, and take one # away to make them count.",
        "##SBATCH --partition=NAME",
        "##SBATCH --time=48:00:00",
        "##SBATCH --cpus-per-task=8",
        "##SBATCH --mem=64G",
        "",
        "# What that machine alone knows; change it here.",
        f"STUDY=${{STUDY:-$HOME/{shlex.quote(study)}}}  # where the folder was copied to",
        "ENVIRONMENT=${ENVIRONMENT-$HOME/nnunet_amt}  # Python environment with nnunet_amt; empty: none to enter",
        "DEVICE=${DEVICE:-cuda}  # cpu on a machine without a graphics card",
        "",
        "set -eo pipefail",
        f'if [ ! -d "$STUDY/nnUNet_preprocessed/{dataset}" ]; then',
        f'  echo "$STUDY: has no nnUNet_preprocessed/{dataset}; copy it there, or change STUDY" >&2',
        "  exit 1",
        "fi",
        'if [ -n "$ENVIRONMENT" ]; then source "$ENVIRONMENT/bin/activate"; fi',
        "# Where nnU-Net's folders are, and our trainers.",
        'exports=$(nnunet_amt env --folder "$STUDY")',
        'eval "$exports"',
        "# Neither Python nor its workers may import from the folder that this was started in.",
        "export PYTHONSAFEPATH=1",
        "cd /",
        f'{train} --device "$DEVICE" {nnunet}',
    ]
    return "\n".join(lines) + "\n"
