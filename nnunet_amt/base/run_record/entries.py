"""What a record says of files, of the command, of the software and of the machine.

Fingerprints tell whether results still belong to what they were made from. The home folder, and with it whoever ran a
stage, is no one's business to whom results are passed on.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from nnunet_amt import __version__
from nnunet_amt.base.processes import usable_cores

HOME_MARK = "~"
# Folders whose entries are named for people.
_HOMES = (PurePosixPath("/home"), PurePosixPath("/Users"))
_OUR_NAMES = ("nnunet_amt", "nnunet_amt.exe")
_LABEL_MAP_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
_BLOCK = 1 << 20
_PACKAGES = (
    *("nnunetv2", "torch", "batchgenerators", "batchgeneratorsv2", "acvl-utils", "SimpleITK", "numpy", "scipy"),
    *("connected-components-3d", "pandas", "matplotlib", "pydicom", "highdicom"),
    *("scikit-learn", "imbalanced-learn", "pyradiomics-cuda", "torchvision", "timm"),
)
_PATIENCE_SECONDS = 10
# Options of fetch whose values tell of patients; words that are UIDs, or name an archive.
_OF_PATIENTS = ("--accession", "--query")
_UID = re.compile(r"\d+(\.\d+){2,}")
_ENTITY = re.compile(r"[^@]+@[^@]+:\d+")
# What batch normalisation counts along; no training step changes it by a gradient.
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class RunInput:
    """What a stage read, and how it is to be recorded.

    Attributes
    ----------
    path
        A file, or a folder.
    by
        ``"content"``: every byte is hashed. ``"names_and_sizes"``: for folders of CTs and preprocessed arrays, many
        GB that no record is worth reading again; a file that was changed and kept its size is not noticed.
    names
        The files in the folder that count; None for its label maps, or for all of them where there are none.
    path_recorded
        Whether the path is written down; a manifest's may name a hospital.
    """

    path: Path
    by: Literal["content", "names_and_sizes"] = "content"
    names: tuple[str, ...] | None = None
    path_recorded: bool = True


def describe_input(given: Path | RunInput, start: Path) -> dict[str, Any]:
    """Give the entry of an input in a record that stands in the folder `start`.

    It has ``path``, where `shareable_path` gives one; ``sha256`` or ``names_and_sizes_sha256``, null if the input is
    gone; ``files``, for a folder.
    """
    item = given if isinstance(given, RunInput) else RunInput(given)
    entry: dict[str, Any] = {}
    if item.path_recorded and (path := shareable_path(item.path, start)) is not None:
        entry["path"] = path
    if item.by == "names_and_sizes":
        entry["names_and_sizes_sha256"], entry["files"] = names_and_sizes_sha256(item.path)
    elif item.path.is_dir():
        entry["sha256"], entry["files"] = folder_sha256(item.path, item.names)
    else:
        entry["sha256"] = file_sha256(item.path)
    return entry


def file_sha256(path: Path) -> str | None:
    """SHA-256 of a file in hexadecimal, read piece by piece; None if it is not there."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):  # a checkpoint need not fit into memory
            digest.update(block)
    return digest.hexdigest()


def folder_sha256(folder: Path, names: Sequence[str] | None = None) -> tuple[str, int]:
    """Hash the content of files in a folder, not of those in folders below it; for `names` see `RunInput`.

    Hidden files, half-written ones among them, and run records never count.

    Returns
    -------
    tuple of str and int
        SHA-256 of one line ``<SHA-256 of the file>  <name>`` a file, sorted by name, as ``sha256sum`` writes them;
        and the number of files.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and _counts(path.name)]
    if names is not None:
        files = [path for path in files if path.name in names]
    else:
        files = [path for path in files if path.name.endswith(_LABEL_MAP_ENDINGS)] or files
    return _sha256_of_lines([f"{file_sha256(path)}  {path.name}" for path in files])


def names_and_sizes_sha256(folder: Path) -> tuple[str | None, int]:
    """Hash names and sizes of all files in and below a folder; what is in them is not read.

    Returns
    -------
    tuple of str and int
        SHA-256 of one line ``<bytes>  <name>`` a file, sorted by name, None if there is no folder; and the number of
        files.
    """
    if not folder.is_dir():
        return None, 0
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    counted = {name.as_posix(): path for name, path in found.items() if all(map(_counts, name.parts))}
    return _sha256_of_lines([f"{counted[name].stat().st_size}  {name}" for name in sorted(counted)])


def _counts(name: str) -> bool:
    return not name.startswith((".", "nnunet_amt_runs"))


def _sha256_of_lines(lines: Sequence[str]) -> tuple[str, int]:
    text = "".join(f"{line}\n" for line in lines)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest(), len(lines)


def shareable_path(path: Path, start: Path) -> str | None:
    """Say how to get from the folder that a record stands in at last, `start`, to what a stage read.

    Returns
    -------
    str or None
        Relative to `start`, with ``/``; from the home folder on, ``~/data``, where the relative path would name it.
        None where neither can be had without a person's name, or the two are on different drives.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100, resolve() would follow a link to elsewhere at the end
    target = absolute.parent.resolve() / absolute.name
    home = _home()
    try:
        relative = Path(os.path.relpath(target, start.resolve()))
    except ValueError:  # another drive
        return None
    if not _names_somebody(relative, target, home):
        return relative.as_posix()
    if home is not None and target.is_relative_to(home):
        inside = target.relative_to(home)
        return None if home.name in inside.parts else f"{HOME_MARK}/{inside.as_posix()}"
    return None


def shareable_words(words: Sequence[str], *, files_named: bool = True) -> list[str]:
    """Give the words of a command, as the shell has parsed them, without the folders and machines that they name.

    With `files_named` the last name of an absolute path is kept, and relative ones; otherwise a file becomes ``FILE``
    with its ending. Studies and patients that an archive is asked for are left out.
    """
    return [_shareable_word(word, files_named) for word in _without_patients(words)]


def _without_patients(words: Sequence[str]) -> list[str]:
    """Put placeholders for UIDs, application entities, and what `_OF_PATIENTS` say."""
    shown: list[str] = []
    option = ""
    for word in words:
        name, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        of = name if equals else option
        if not word.startswith("--") or equals:
            start = f"{name}{equals}"
            if of in _OF_PATIENTS:
                key, with_key, _ = value.partition("=")
                word = f"{start}{key}=VALUE" if with_key else f"{start}VALUE"
            elif _UID.fullmatch(value):
                word = f"{start}UID"
            elif _ENTITY.fullmatch(value):
                word = f"{start}AET@HOST:PORT"
        shown.append(word)
        option = word if word.startswith("--") and not equals else ""
    return shown


def command_line(*, files_named: bool = True) -> str:
    """Give the command that this process was started with; ``python`` where it is not ours, but a script or a test."""
    program = Path(sys.argv[0])
    if program.name not in _OUR_NAMES and program.parts[-2:] != ("nnunet_amt", "__main__.py"):
        return "python"
    return shlex.join(["nnunet_amt", *shareable_words(sys.argv[1:], files_named=files_named)])


def _home() -> Path | None:
    try:
        home = Path.home().resolve()
    except (RuntimeError, OSError):
        return None
    return None if len(home.parts) < 3 else home  # "/root" names nobody


def _names_somebody(relative: Path, target: Path, home: Path | None) -> bool:
    if home is not None and home.name in relative.parts:
        return True
    downwards = sum(part != os.pardir for part in relative.parts)
    bases = {*_HOMES, *(() if home is None else (PurePosixPath(home.parent.as_posix()),))}
    pure = PurePosixPath(target.as_posix())
    return any(pure.is_relative_to(base) and downwards >= len(pure.relative_to(base).parts) > 0 for base in bases)


def _shareable_word(word: str, files_named: bool) -> str:
    option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    if word.startswith("-") and not equals:
        glued = not word.startswith("--") and ("/" in word or "\\" in word)  # -o/folder
        return f"{word[:2]}{_shareable_value(word[2:], files_named)}" if glued else word
    if "://" in value:  # a scheduler: the machine is no part of what was done
        return f"{option}{equals}{value.partition('://')[0]}://"
    return f"{option}{equals}{_shareable_value(value, files_named)}"


def _shareable_value(value: str, files_named: bool) -> str:
    path, on_windows = Path(value), PureWindowsPath(value)
    name = on_windows.name if on_windows.is_absolute() else path.name
    if not files_named:
        is_file = "/" in value or "\\" in value
        with suppress(OSError):  # longer than a name may be
            is_file = is_file or (value not in ("", ".", "..") and path.exists())
        return f"FILE{Path(name).suffix}" if is_file else value
    home = _home()
    if path.is_absolute() or on_windows.is_absolute() or (home is not None and home.name in path.parts[:-1]):
        return name or "/"
    return value


def software_versions() -> dict[str, str]:
    """Versions of ours, of Python and of what is installed of the packages that results depend on."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"nnunet_amt": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def describe_machine(device: str | None) -> dict[str, Any]:
    """Say what computed: ``cpu``, ``cuda`` or ``mps``; None for a stage that has no choice, which is the CPU."""
    machine: dict[str, Any] = {"system": platform.system(), "cores": usable_cores(), "device": device or "cpu"}
    if device == "cuda" and (name := _gpu_name()):
        machine["gpu"] = name
    return machine


def _gpu_name() -> str | None:
    """Ask torch where it is loaded already, else the driver's tool; the first device speaks for all."""
    torch = sys.modules.get("torch")
    with suppress(RuntimeError, AttributeError):  # a device that is full or was lost is no reason to lose the record
        if torch is not None and torch.cuda.is_available():
            return str(torch.cuda.get_device_name(0))
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return next((line.strip() for line in printed.splitlines() if line.strip()), None)


def peak_memory(*, of_children: bool = False) -> int | None:
    """Most memory that one process held at a time, in bytes, since it began.

    With `of_children` it is the largest single one of the processes that we have started and waited for, or that they
    have, and not their sum: for nnU-Net's commands. It is at least what this process held when it started them (Linux
    counts it along). Otherwise the larger of that and this process. None where the system does not tell (Windows), or
    where no child has ended.
    """
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    if of_children:
        return children or None
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    with suppress(OSError):  # Linux begins a process's ru_maxrss with that of the process that started it
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        if found := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
            own = int(found[1]) * 1024
    return max(children, own)


def number_of_parameters(weights: Mapping[str, Any]) -> int:
    """Count what training adjusts in a checkpoint's ``network_weights``.

    The running statistics of batch normalisation are left out. A tensor that stands there under several names, as in
    nnU-Net's own networks, is counted once.
    """
    tensors = {name: value for name, value in weights.items() if name.rpartition(".")[2] not in _BUFFERS}
    distinct = {(tensor.data_ptr(), tuple(tensor.shape)): tensor.numel() for tensor in tensors.values()}
    return sum(distinct.values())
