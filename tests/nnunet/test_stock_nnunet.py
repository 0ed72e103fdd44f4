"""Plain nnU-Net commands in a new shell find the trainer, from a checkout and from an installed wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_amt.images.geometry import Geometry
from nnunet_amt.images.probability_file import read_probabilities
from tests.conftest import TINY_DATASET

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TRAINER = "nnUNetTrainerAMT_1epoch"


def shell(script: str, **variables: str) -> str:
    """Run a script in a new shell that knows only where the commands are; return what it printed."""
    environment = {"HOME": os.environ.get("HOME", "/"), "nnUNet_def_n_proc": "1", "nnUNet_n_proc_DA": "0", **variables}
    environment.setdefault("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(["bash", "-euc", script], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_train_and_predict_with_plain_commands(planned_base: Path, tmp_path: Path) -> None:
    """As the README says: env, train, predict with probabilities; the label map lies on the image's grid.

    The command of ours, which predicts without nnU-Net's, gives the same labels.
    """
    dataset = planned_base / "nnUNet_raw" / TINY_DATASET
    script = f"""
        eval "$(nnunet_amt env --folder '{planned_base}')"
        export nnUNet_results='{tmp_path}'
        nnUNetv2_train 711 3d_fullres 0 -tr {TRAINER} -p nnUNetAMTPlans -device cpu
        nnUNetv2_predict -i '{dataset}/imagesTs' -o '{tmp_path}/out' -d 711 -c 3d_fullres -f 0 -tr {TRAINER} \
            -p nnUNetAMTPlans -chk checkpoint_best.pth --save_probabilities -device cpu -npp 1 -nps 1
        nnunet_amt predict 711 --trainer {TRAINER} --output '{tmp_path}/ours' --device cpu --probabilities
    """
    shell(script)
    model = tmp_path / TINY_DATASET / f"{TRAINER}__nnUNetAMTPlans__3d_fullres"
    assert (model / "fold_0" / "validation" / "summary.json").is_file()
    prediction, image = (
        sitk.ReadImage(str(path)) for path in (tmp_path / "out" / "f.nii.gz", dataset / "imagesTs" / "f_0000.nii.gz")
    )
    assert (prediction.GetSize(), prediction.GetSpacing()) == (image.GetSize(), image.GetSpacing())
    with np.load(tmp_path / "out" / "f.npz") as file:
        probabilities = file["probabilities"]
    assert probabilities.shape == (2, 16, 40, 40)
    assert np.allclose(probabilities.sum(axis=0), 1, atol=1e-2)
    expected = sitk.GetArrayFromImage(prediction)
    ours = sitk.ReadImage(str(tmp_path / "ours" / "f.nii.gz"))
    assert (ours.GetSize(), ours.GetSpacing(), ours.GetOrigin()) == (
        *(image.GetSize(), image.GetSpacing(), image.GetOrigin()),
    )
    assert np.array_equal(sitk.GetArrayFromImage(ours), expected)
    levels = read_probabilities(tmp_path / "ours" / "probabilities" / "f.nii.gz", Geometry.of(ours))
    assert np.abs(levels / 255 - np.where(probabilities[1] < 0.01, 0, probabilities[1])).max() < 0.01
    decided = np.abs(probabilities[1] - 0.5) > 0.01
    assert np.array_equal((probabilities[1] > 0.5)[decided], (expected > 0)[decided])


@pytest.fixture(scope="module")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has our wheel in place of the checkout, and everything else from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("nnunet_amt-*.whl")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", str(wheel)], check=True, capture_output=True)
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # after its own site-packages, so that the wheel comes first; .pth files there are not followed
    (own_site_packages,) = (Path(sys.prefix) / "lib").glob("python*/site-packages")
    (site_packages / "everything_else.pth").write_text(str(own_site_packages))
    return python


def test_wheel_holds_the_hook_and_nnunet_finds_our_class(wheel_python: Path, tmp_path: Path) -> None:
    """From a wheel the class must be the package's own, and importable in a spawned worker."""
    script = (
        "import multiprocessing, nnunet_amt, pickle\n"
        "from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name as find\n"
        "if __name__ == '__main__':\n"
        "    found = find('nnUNetTrainerAMT')\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        again = pool.apply(find, ('nnUNetTrainerAMT',))\n"
        "    print(found is again, found.__module__, nnunet_amt.__file__)\n"
    )
    (tmp_path / "look.py").write_text(script)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(wheel_python)
    path = f"{wheel_python.parent}{os.pathsep}{os.environ['PATH']}"
    output = shell(f'cd "{tmp_path}"; eval "$(nnunet_amt env)"; "{wheel_python}" look.py', PATH=path)
    same, module, file = output.strip().splitlines()[-1].split()
    assert (same, module) == ("True", "nnunet_amt.trainers.nnUNetTrainerAMT")
    assert str(ROOT) not in file
