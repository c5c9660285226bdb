"""
Observe the activations of a float model in ONNX Runtime, on given or on seeded inputs.

Given inputs are an `.npy` file (samples along the first axis, for a model with one input), an `.npz` file with such an
array for each input, or a folder of such files, taken in the order of their names. The first axis is the batch of an
input whose batch is 1, or one more, before its shape. Seeded ones are standard normal.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from compiler.errors import InputError
from compiler.onnxio.runtime import open_session, run_session
from compiler.quantization.positions import Observation

Inputs = dict[str, npt.NDArray[Any]]


def observe(model: onnx.ModelProto, tensors: Sequence[str], samples: Iterable[Inputs]) -> dict[str, Observation]:
    """What the named tensors (inputs and results of nodes) hold over all samples. Adds outputs to `model`."""
    inputs = {value.name for value in model.graph.input}
    outputs = {value.name for value in model.graph.output}
    computed = [name for name in dict.fromkeys(tensors) if name not in inputs]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed if name not in outputs)
    session = open_session(model)
    observations: dict[str, Observation] = {}
    for sample in samples:
        values = sample | run_session(session, sample, computed)
        for name in tensors:
            if not np.isfinite(values[name]).all():
                raise InputError(f"calibration: tensor '{name}' holds infinities or is not a number; check the inputs")
            seen = Observation.of(values[name])
            observations[name] = observations[name] | seen if name in observations else seen
    return observations


def seeded_samples(shapes: Mapping[str, tuple[int, ...]], count: int, seed: int) -> Iterator[Inputs]:
    """Standard normal inputs."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def read_samples(path: Path, shapes: Mapping[str, tuple[int, ...]], limit: int | None) -> list[Inputs]:
    """The first `limit` samples (all by default) of a file or folder; refuses what does not fit the model's inputs."""
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.suffix in (".npy", ".npz"))
        if not files:
            raise InputError(f"calibration: the folder '{path}' holds no .npy or .npz file")
        samples: list[Inputs] = []
        for file in files:
            if limit is None or len(samples) < limit:
                samples += read_samples(file, shapes, None if limit is None else limit - len(samples))
        return samples
    arrays = _read_arrays(path, shapes)
    for name, shape in shapes.items():
        if name not in arrays:
            raise InputError(f"calibration: '{path}' has no array '{name}'; it has {', '.join(sorted(arrays))}")
        if shape[:1] == (1,) and arrays[name].shape[1:] == shape[1:] and arrays[name].ndim == len(shape):
            arrays[name] = arrays[name][:, None]
        if arrays[name].ndim != len(shape) + 1 or arrays[name].shape[1:] != shape:
            found, wanted = list(arrays[name].shape), ["samples", *(shape[1:] if shape[:1] == (1,) else shape)]
            raise InputError(f"calibration: '{path}': the array for '{name}' has shape {found}; expected {wanted}")
    count = min(len(arrays[name]) for name in shapes)
    if count == 0:
        raise InputError(f"calibration: '{path}' holds no sample")
    count = min(count, limit or count)
    return [{name: arrays[name][index].astype(np.float32) for name in shapes} for index in range(count)]


def _read_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Inputs:
    """Arrays by input name."""
    if not path.is_file():
        raise InputError(
            f"calibration: there is no file '{path}'; give an .npy or .npz file with samples, or a folder of them"
        )
    try:
        loaded: Any = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"calibration: '{path}' is neither an .npy nor an .npz file: {error}") from error
    if isinstance(loaded, np.ndarray):
        if len(shapes) != 1:
            raise InputError(
                f"calibration: the model has inputs {', '.join(shapes)}; give an .npz file with all of them"
            )
        return {name: loaded for name in shapes}
    return {name: loaded[name] for name in loaded.files}
