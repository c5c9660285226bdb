"""
Blockloom from Python: compile a model, look at every level, run it, keep it.

    from compiler import compile_model

    compilation = compile_model("zoo:squeezenet@64", target="npu1", sparsity=0.5)
    print(compilation.modules["bsr"])
    compilation.save("out")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from onnx import ModelProto
from xdsl.dialects.builtin import ModuleOp

from compiler.artifact import Manifest, ParsedModules, read_manifest, write_artifact
from compiler.bulk import few_garbage_collections
from compiler.errors import InputError
from compiler.frontend.load import load_model
from compiler.hardware.chip import chip_named
from compiler.inputs import network_inputs, read_inputs, seeded_inputs
from compiler.onnxio.importer import import_model
from compiler.pipelines import LEVELS, Guard, PassRun, Pipeline, default_stages, processor_stages
from compiler.quantization.arithmetic import Rounding
from compiler.quantization.positions import Method
from compiler.suggestions import unknown
from compiler.summaries import (
    HostSegment,
    QuantisedTensor,
    array_arguments,
    configurations,
    controller_totals,
    host_segments,
    quantised_tensors,
    refuse_host,
)

if TYPE_CHECKING:
    from compiler.comparison import Comparison
    from compiler.estimate.result import Estimate
    from compiler.interpret.execution import Execution
    from compiler.native.network import NativeNetwork
    from compiler.report import Measured
    from compiler.simulate.result import Simulation


@dataclass(frozen=True)
class Request:
    """What was asked for: enough to compile the same again."""

    model: str
    target: str = "npu1"
    sparsity: float = 0.0
    seed: int = 0
    calibration: str | None = None
    """A folder or file of inputs that calibrate a float model; None means inputs drawn from the seed."""
    method: Method = "nonoverflow"
    """How the positions of a float model are chosen from what was observed."""
    rounding: Rounding = "half_even"
    """How the array rounds ties."""

    @property
    def calibrated_on(self) -> str:
        """What a float model is calibrated on, in words."""
        return self.calibration or f"inputs drawn from seed {self.seed}"


@dataclass(frozen=True)
class Compilation:
    """A network at every level that was reached; `modules["onnx"]` is the quantised graph."""

    request: Request
    modules: Mapping[str, ModuleOp]

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels reached, in order."""
        return tuple(self.modules)

    @property
    def host(self) -> tuple[HostSegment, ...]:
        """The parts that run on the host, each with the reason."""
        return host_segments(self.modules["bsr"]) if "bsr" in self.modules else ()

    @property
    def quantised(self) -> tuple[QuantisedTensor, ...]:
        """The tensors and weights whose positions were chosen here; none if the model came quantised."""
        return quantised_tensors(self.modules["onnx"])

    def module(self, level: str) -> ModuleOp:
        """The module of a level. Raises InputError when the compilation stopped before it."""
        if level not in self.modules:
            raise InputError(
                f"there is no module of level '{level}': the compilation stopped at '{self.levels[-1]}'; "
                f"compile with --until {level}"
            )
        return self.modules[level]

    def inputs(self, seed: int, given: Mapping[str, Path] | None = None) -> Mapping[str, npt.NDArray[Any]]:
        """An array for every input of the network: from the given `.npy` files, the others drawn from the seed."""
        expected = network_inputs(self.module("onnx"))
        values = read_inputs(given or {}, expected)
        drawn = seeded_inputs(tuple(entry for entry in expected if entry.name not in values), seed)
        return {**drawn, **values}

    def run(self, given: Mapping[str, Path] | None = None, *, level: str = "aie", seed: int | None = None) -> Execution:
        """Execute one level; at `onnx` that is the integer reference."""
        from compiler.checking import execute

        if level not in LEVELS:
            raise InputError(unknown("level", level, LEVELS))
        seed = self.request.seed if seed is None else seed
        return execute(level, self.module(level), self.inputs(seed, given), seed, self.request.rounding)

    def on_host(self) -> NativeNetwork:
        """
        The bsr level as machine code for this processor; `run` of it takes `inputs`. Raises MissingJitError.

        What the module of that level leaves to integer models on the host, because the array cannot compute it or has
        no room for it, is compiled as well.
        """
        from compiler.native.network import NativeNetwork

        self.module("bsr")
        graph = self.module("onnx").clone()
        return NativeNetwork(Pipeline(processor_stages(self.request.rounding)).run(graph)["bsr"])

    def check(self, *, until: str | None = None, seed: int | None = None) -> Iterator[Comparison]:
        """Compare every level up to `until` with the reference, and that with ONNX Runtime; lazily, one at a time."""
        from compiler.checking import check_levels

        last = until or self.levels[-1]
        self.module(last)
        levels = self.levels[: self.levels.index(last) + 1]
        seed = self.request.seed if seed is None else seed
        return check_levels(
            {level: self.modules[level] for level in levels}, self.inputs(seed), seed, self.request.rounding
        )

    def simulate(
        self,
        *,
        overrides: Mapping[str, int] | None = None,
        timeline: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> Simulation:
        """Count the cycles of every segment of the aie level; the options are those of `compiler.simulate`."""
        from compiler.simulate import simulate

        return simulate(self.module("aie"), overrides=overrides, timeline=timeline, progress=progress)

    def estimate(self, *, overrides: Mapping[str, int] | None = None) -> Estimate:
        """Work out the cycles of every segment from the mem level, without running anything."""
        from compiler.estimate import estimate

        return estimate(self.module("mem"), overrides=overrides)

    def report(self, path: str | Path, *, against: Compilation | None = None) -> Measured:
        """
        Write an HTML page on where the cycles go, and a trace beside it; what the page says comes back.

        `against` is the same network on the same chip with other zero blocks, to show what they change.
        """
        from compiler.report import require_page_name, write_report

        require_page_name(Path(path))
        measured = self._measured()
        write_report(measured, Path(path), None if against is None else against._measured())
        return measured

    def _measured(self) -> Measured:
        from compiler.report import measure

        levels = {level: self.module(level) for level in ("bsr", "mem", "aie")}
        return measure(self.request.model, self.request.sparsity, self.request.calibrated_on, levels)

    def as_json(self) -> dict[str, Any]:
        """What every `--json` answer begins with."""
        return {
            "model": self.request.model,
            "target": self.request.target,
            "sparsity": self.request.sparsity,
            "host": [asdict(segment) for segment in self.host],
        }

    def manifest(self) -> Manifest:
        """What `manifest.json` says, apart from the digests of the files."""
        return {
            "blockloom": version("blockloom"),
            **asdict(self.request),
            "calibrated_on": self.request.calibrated_on,
            "levels": list(self.levels),
            "chip": asdict(chip_named(self.request.target)),
            "arguments": array_arguments(self.modules["aie"]) if "aie" in self.modules else [],
            "configurations": [asdict(each) for each in configurations(self.modules["aie"])]
            if "aie" in self.modules
            else [],
            "controller": controller_totals(self.modules["aie"]) if "aie" in self.modules else {},
            "host": [asdict(segment) for segment in self.host],
            "quantised": [asdict(tensor) for tensor in self.quantised],
        }

    def save(self, directory: str | Path) -> Path:
        """Write the directory that `load` reads; see `compiler.artifact`."""
        path = Path(directory)
        with few_garbage_collections():
            write_artifact(path, self.modules, self.manifest())
        return path

    @staticmethod
    def load(directory: str | Path) -> Compilation:
        """Read a directory that `save` wrote; a module is parsed when first used."""
        path = Path(directory)
        manifest = read_manifest(path)
        try:
            request = Request(**{name: manifest[name] for name in Request.__dataclass_fields__})
        except KeyError as error:
            raise InputError(f"the manifest of '{path}' lacks {error}; compile again") from error
        return Compilation(request, ParsedModules(path))


def compile_model(
    source: str | Path | ModelProto,
    *,
    target: str = "npu1",
    sparsity: float = 0.0,
    until: str = "aie",
    quantize: str | Path | None = None,
    calibration_method: Method = "nonoverflow",
    rounding: Rounding = "half_even",
    seed: int = 0,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    strict: bool = False,
    before_pass: Callable[[str, str], None] | None = None,
    after_pass: Callable[[PassRun], None] | None = None,
    guards: tuple[Guard, ...] = (),
) -> Compilation:
    """
    Compile the model at a path, `zoo:NAME[@SIZE]`, or a model in memory, up to and including level `until`.

    `sparsity` is the fraction of weight blocks to prune first; `quantize` names the inputs to calibrate on and
    `calibration_method` how positions follow from them; `rounding` is how the array rounds ties; `shapes` gives dynamic
    inputs a shape, `batch` their first size where that is open; `strict` refuses a network of which anything but the
    quantisation at its boundary would run on the host; every pass runs within `guards` (`compiler.reproducer`,
    `compiler.validation`). Raises a BlockloomError for whatever the user can mend.
    """
    if strict and until == "onnx":
        raise InputError("what runs on the host is decided at level 'bsr', so strict needs --until bsr or later")
    calibration = None if quantize is None else str(quantize)
    name = source.graph.name if isinstance(source, ModelProto) else str(source)
    request = Request(name, chip_named(target).name, sparsity, seed, calibration, calibration_method, rounding)
    pipeline = Pipeline.default(
        target=target,
        sparsity=sparsity,
        until=until,
        calibration=calibration,
        seed=seed,
        method=calibration_method,
        rounding=rounding,
        before_pass=before_pass,
        after_pass=_strictly(after_pass) if strict else after_pass,
        guards=guards,
    )
    given = source if isinstance(source, ModelProto) else str(source)
    module = import_model(load_model(given, shapes=shapes, batch=batch, seed=seed))
    return Compilation(request, pipeline.run(module))


def _strictly(after_pass: Callable[[PassRun], None] | None) -> Callable[[PassRun], None]:
    """The hook that also refuses host segments, as soon as the last pass of the bsr level has run."""
    last = next(stage for stage in default_stages() if stage.level == "bsr").passes[-1].name

    def hook(run: PassRun) -> None:
        if after_pass is not None:
            after_pass(run)
        if (run.level, run.name) == ("bsr", last):
            refuse_host(run.module)

    return hook
