"""
Blockloom as an ONNX backend: `onnx.backend.base.Backend`, so that ONNX's own suites can run against it.

    from compiler.onnx_backend import BlockloomBackend

    outputs = BlockloomBackend.prepare(model, "CPU").run(inputs)

Device CPU gives float results: the model goes through the whole front end down to the bsr level, without being
quantised; int8 operators that are in it run as the array runs them, everything else is a host segment. What is no
static network of tensors, and so nothing that could be compiled, runs as it is.

Device NPU runs on the array as far as the array can: a float model is quantised on the inputs of the run, and its aie
level is executed. Only inputs that int8 represents without loss, at every tensor, are accepted there, but for a model
that only moves elements of whole words, which the array moves as they are.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
from onnx.backend.base import Backend, BackendRep, namedtupledict
from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
from xdsl.ir import Attribute
from xdsl.utils.arg_spec import ArgSpec

from compiler.checking import execute
from compiler.errors import BlockloomError, InputError
from compiler.frontend.load import load_model
from compiler.interpret.bsr import interpret_bsr
from compiler.interpret.execution import entry_of
from compiler.onnxio.exporter import export_with_names, main_function
from compiler.onnxio.host import HostModel
from compiler.onnxio.importer import import_model
from compiler.onnxio.in_floats import in_floating_point, numpy_type
from compiler.onnxio.runtime import open_session, run_session
from compiler.pipelines import Pipeline, Stage, default_stages, step
from compiler.summaries import refuse_host
from dialects.bsr import BsrOp, HostOp, WeightsOp
from dialects.constants import dtype_of
from dialects.onnx import OnnxOp, is_operator
from passes.word_moves import MOVED_OPERANDS

Array = npt.NDArray[Any]
DEVICES = ("CPU", "NPU")
_ELEMENT_WISE = ("Add", "Concat", "Div", "Max", "Mean", "Min", "Mul", "Sub", "Sum")


class BlockloomRep(BackendRep, ABC):
    """A model made ready for one device."""

    on_array: bool
    """Whether the array computes all of it apart from the quantisation at its boundary."""
    names: tuple[str, ...]
    """The outputs, in order."""

    @abstractmethod
    def compute(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs for inputs in the order of the model."""

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """A named tuple of the outputs for a list of inputs, or for one."""
        given = list(cast("Sequence[Any]", inputs)) if isinstance(inputs, list | tuple) else [inputs]
        outputs = self.compute([np.asarray(value) if np.isscalar(value) else value for value in given])
        return namedtupledict("Outputs", list(self.names))(*outputs)


class AsItIs(BlockloomRep):
    """The whole model on the host, not even imported."""

    on_array = False

    def __init__(self, model: onnx.ModelProto):
        self.host = HostModel(model)
        self.names = tuple(value.name for value in model.graph.output)
        declared = {tensor.name for tensor in model.graph.initializer}
        self.inputs = tuple(value.name for value in model.graph.input if value.name not in declared)

    def compute(self, inputs: Sequence[Any]) -> list[Any]:
        return self.host.run(dict(zip(self.inputs, inputs, strict=False)))


class Network(BlockloomRep):
    """A model at the bsr level."""

    def __init__(self, module: ModuleOp):
        self.module = module
        entry = entry_of(module)
        self.names, self.inputs = entry.outputs, entry.inputs
        self.on_array = computes_on_array(module)

    def compute(self, inputs: Sequence[Any]) -> list[Any]:
        execution = interpret_bsr(self.module, dict(zip(self.inputs, inputs, strict=True)))
        return list(execution.outputs.values())


@dataclass
class OnArray(BlockloomRep):
    """A model that is compiled for the inputs of each run."""

    model: onnx.ModelProto
    on_array = True

    def __post_init__(self) -> None:
        self.names = tuple(value.name for value in self.model.graph.output)

    def compute(self, inputs: Sequence[Any]) -> list[Any]:
        if not all(_is_tensor(value) for value in inputs):
            raise InputError("the array computes on tensors, and an input is none")
        given: Mapping[str, Any] = dict(zip(AsItIs(self.model).inputs, inputs, strict=False))
        model = _with_parameters(self.model, given)
        bound = {tensor.name for tensor in model.graph.initializer}
        named: dict[str, Array] = {name: np.asarray(given[name]) for name in given if name not in bound}
        if (moved := _moving_words(model)) is not None:
            return _outputs_of_array(moved, named)
        if (floats := in_floating_point(self.model)) is not None:
            return self._in_float32(floats, inputs)
        levels = _quantised_on(model, named)
        refuse_host(levels["bsr"])
        if not computes_on_array(levels["bsr"]):
            raise InputError("there is nothing in this model for the array to compute")
        _refuse_loss(levels["onnx"], model, named)
        return _outputs_of_array(levels["bsr"], named)

    def _in_float32(self, floats: onnx.ModelProto, inputs: Sequence[Any]) -> list[Any]:
        """
        The model as `floats`, quantised to positions at which int8 loses nothing of any tensor, and back.

        A result beyond its type, as int8 100 + 100 is, wraps as it does in ONNX Runtime: from int64, since numpy leaves
        open what becomes of a float that its type does not hold.
        """
        taken = {value.name: numpy_type(value) for value in floats.graph.input}
        exact = [np.asarray(value, taken[name]) for name, value in zip(AsItIs(floats).inputs, inputs, strict=False)]
        for value, given in zip(exact, inputs, strict=True):
            if not np.array_equal(value.astype(np.asarray(given).dtype), given):
                raise Lossy("the inputs are numbers beyond what float32 holds")
        outputs = OnArray(floats).compute(exact)
        return [
            _wrapped(value, numpy_type(given)) for value, given in zip(outputs, self.model.graph.output, strict=True)
        ]


def _outputs_of_array(module: ModuleOp, inputs: Mapping[str, Array]) -> list[Any]:
    """What the aie level of a bsr module gives."""
    lowered = Pipeline(default_stages()[2:]).run(module)["aie"]
    return list(execute("aie", lowered, inputs, 0).outputs.values())


def _moving_words(model: onnx.ModelProto) -> ModuleOp | None:
    """The model at the bsr level if all that it does is to move words."""
    if not any(node.op_type in MOVED_OPERANDS for node in model.graph.node):
        return None
    module = float_network(model)
    return module if module is not None and computes_on_array(module) else None


def _quantised_on(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> Mapping[str, ModuleOp]:
    """The levels onnx and bsr of a model that is calibrated on these inputs, whatever only moves elements included."""
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"movers": True}
        if all(value.dtype == np.float32 for value in inputs.values()):
            options["calibration"] = str(Path(folder) / "inputs.npz")
            cast(Any, np.savez)(options["calibration"], **{name: value[None] for name, value in inputs.items()})
        stages = [
            Stage(stage.level, tuple(_given(spec, options) for spec in stage.passes)) for stage in default_stages()[:2]
        ]
        return Pipeline(tuple(stages)).run(import_model(load_model(model)))


def _given(spec: ArgSpec, options: dict[str, Any]) -> ArgSpec:
    return step(spec.name, **options) if spec.name == "onnx-quantize" else spec


class BlockloomBackend(Backend):
    """See the module."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> BlockloomRep:
        """Make a model ready. Raises a BlockloomError if nothing on the device can run it."""
        if not cls.supports_device(device):
            raise InputError(f"there is no device '{device}'; there are {', '.join(DEVICES)}")
        if _kind(device) == "NPU":
            return OnArray(model)
        module = float_network(model)
        return AsItIs(model) if module is None else Network(module)

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Prepare and run once."""
        return cls.prepare(model, device).run(inputs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """CPU and NPU; a number behind a colon is ignored, for there is one of each."""
        return _kind(device) in DEVICES


def _wrapped(value: Any, type: npt.DTypeLike) -> Array:
    """Numbers in another type: floats in an integer type by their lowest bits."""
    array = np.asarray(value)
    return array.astype(np.int64).astype(type) if np.issubdtype(type, np.integer) else array.astype(type)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _kind(device: str) -> str:
    return device.partition(":")[0]


def float_network(model: onnx.ModelProto) -> ModuleOp | None:
    """The model at the bsr level, nothing of it quantised anew; None if it is no static network of tensors."""
    try:
        module = import_model(load_model(model))
    except InputError:
        return None
    if not _is_static(main_function(module)):
        return None
    unquantised = [
        Stage(stage.level, tuple(step for step in stage.passes if step.name != "onnx-quantize"))
        for stage in default_stages()
        if stage.level in ("onnx", "bsr")
    ]
    return Pipeline(tuple(unquantised)).run(module)["bsr"]


def _is_static(function: FuncOp) -> bool:
    """Whether inputs and outputs are tensors of known shape, of a type that numpy has."""
    types: list[Attribute] = [*function.function_type.inputs, *function.function_type.outputs]
    return all(
        isinstance(type, TensorType)
        and DYNAMIC_INDEX not in type.get_shape()
        and dtype_of(cast("TensorType[Attribute]", type).element_type) is not None
        for type in types
    )


def computes_on_array(module: ModuleOp) -> bool:
    """Whether the array does something of a bsr module, and the host only quantises and stores constants."""
    hosted = [node.operator for op in module.walk() if isinstance(op, HostOp) for node in op.host_nodes()]
    array = any(isinstance(op, BsrOp) and not isinstance(op, HostOp | WeightsOp) for op in module.walk())
    return array and all(operator in ("QuantizeLinear", "DequantizeLinear", "Constant") for operator in hosted)


def _with_parameters(model: onnx.ModelProto, inputs: Mapping[str, Any]) -> onnx.ModelProto:
    """The model with those inputs as constants that parametrise an operator: weights, bounds, shapes, pads, scales."""
    read = {name for node in model.graph.node for index, name in enumerate(node.input) if index in _moved(node)}
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for name, values in inputs.items():
        if name not in read and _is_tensor(values):
            bound.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(values), name))
    return bound


def _moved(node: onnx.NodeProto) -> Container[int]:
    """Which inputs of a node are data, not parameters."""
    if node.op_type in _ELEMENT_WISE:
        return range(len(node.input))
    return MOVED_OPERANDS.get(node.op_type, (0,)) or range(len(node.input))


def _refuse_loss(quantised: ModuleOp, model: onnx.ModelProto, inputs: Mapping[str, Array]) -> None:
    """Refuse inputs of which int8 loses something: at a tensor that is quantised, or in a weight."""
    exported, names = export_with_names(quantised)
    linear = [op for op in quantised.walk() if isinstance(op, OnnxOp) and is_operator(op, "QuantizeLinear")]
    pairs = [
        (names[op.inputs[0]], names[cast(OnnxOp, reader).output])
        for op in linear
        for reader in (use.operation for use in op.output.uses)
        if is_operator(reader, "DequantizeLinear")
    ]
    wanted = [value.name for value in exported.graph.output]
    known = {*wanted, *(value.name for value in exported.graph.input)}
    extra = dict.fromkeys(name for pair in pairs for name in pair if name not in known)
    exported.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
    values = {**inputs, **run_session(open_session(exported), inputs, [*wanted, *extra])}
    for before, after in pairs:
        if not np.array_equal(values[before], values[after]):
            raise Lossy(f"int8 loses something of tensor '{before}' on these inputs")
    original = AsItIs(model).compute(list(inputs.values()))
    for name, exact in zip(wanted, original, strict=True):
        if not np.array_equal(values[name], exact):
            raise Lossy(f"int8 weights give another '{name}' than float ones on these inputs")


class Lossy(BlockloomError):
    """The array could run the model, but int8 does not represent what is asked of it."""
