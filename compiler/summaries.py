"""What a module says about itself, as plain values: host segments; arguments, programs and controller of the array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FloatAttr, IntegerAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block

from compiler.errors import InputError
from compiler.hardware.transactions import ControllerCount
from compiler.kernels.code_size import kernels_bytes
from compiler.kernels.parameters import Kernel
from dialects.aie import RuntimeSequenceOp
from dialects.bsr import HostNode, HostOp
from dialects.notes import ARGUMENTS
from dialects.onnx import OnnxOp
from passes.array_counts import controller_counts
from passes.array_reader import devices_of

_NONE = -(2**31)
_LINEAR = ("QuantizeLinear", "DequantizeLinear")
_AT_BOUNDARY = (*_LINEAR, "Constant")


@dataclass(frozen=True)
class HostSegment:
    """A part of the network that runs in ONNX Runtime on the host."""

    node: str
    op: str
    reason: str


def host_segments(module: ModuleOp) -> tuple[HostSegment, ...]:
    """The host segments of a bsr module, in order."""
    return tuple(
        HostSegment(op.node.data, op.operator.data, op.reason.data) for op in module.walk() if isinstance(op, HostOp)
    )


def refuse_host(module: ModuleOp) -> None:
    """Raise InputError that names every node on the host of a bsr module, but what the boundary needs and constants."""
    found = [node for op in module.walk() if isinstance(op, HostOp) and not _is_boundary(op) for node in _shown(op)]
    if found:
        listed = "".join(f"\n  {node.operator} '{node.node or node.tensor}': {node.reason}" for node in found)
        raise InputError(
            f"--strict allows nothing on the host, and {len(found)} nodes of this network would run there:{listed}"
        )


def _shown(op: HostOp) -> tuple[HostNode, ...]:
    """The nodes of a segment that compute, or all if none does."""
    nodes = op.host_nodes()
    return tuple(node for node in nodes if node.operator not in _LINEAR) or nodes


def _is_boundary(op: HostOp) -> bool:
    """Whether a segment only quantises inputs of the network, only dequantises outputs, or only stores a constant."""
    if any(node.operator not in _AT_BOUNDARY for node in op.host_nodes()):
        return False
    begins = all(isinstance(value.owner, Block) for value in op.inputs)
    ends = all(isinstance(use.operation, ReturnOp) for value in op.outputs for use in value.uses)
    return begins or ends


@dataclass(frozen=True)
class QuantisedTensor:
    """A tensor or weight that was quantised here: its position, what that loses, and why it is not a finer one."""

    name: str
    position: int
    signal_to_noise: float | None
    """Decibels of the tensor's own rounding and saturation on the calibration samples; None if nothing is lost."""
    lowered: str | None
    """Shifts and accumulators that do not fit the position its values suggest: before -> after, and the reason."""


def quantised_tensors(module: ModuleOp) -> tuple[QuantisedTensor, ...]:
    """The tensors and weights of an onnx module that `onnx-quantize` chose positions for, in order."""
    found: list[QuantisedTensor] = []
    for op in module.walk():
        if isinstance(op, OnnxOp) and (position := op.integer("quantize.position", _NONE)) != _NONE:
            noise = op.attributes.get("quantize.snr")
            lowered = op.attributes.get("quantize.lowered")
            found.append(
                QuantisedTensor(
                    next(iter(op.output_names), op.node_name),
                    position,
                    noise.value.data if isinstance(noise, FloatAttr) else None,
                    lowered.data if isinstance(lowered, StringAttr) else None,
                )
            )
    return tuple(found)


def array_arguments(module: ModuleOp) -> Any:
    """Name, offset, bytes and layout of every DDR argument, as the lowering to aie wrote them on the module."""
    return plain(module.attributes.get(ARGUMENTS, ArrayAttr(())))


@dataclass(frozen=True)
class Configuration:
    """A device: what its cores can compute, and the sequences that run while the array is loaded with it."""

    device: str
    kernels: tuple[str, ...]
    kernel_bytes: int
    """Of a core's program memory, by an estimate on the high side."""
    sequences: tuple[str, ...]


def configurations(module: ModuleOp) -> tuple[Configuration, ...]:
    """The devices of the array level, in their order."""
    found: list[Configuration] = []
    for device in devices_of(module):
        names = {op.sym_name.data for op in device.body.block.ops if isinstance(op, FuncOp)}
        kernels = [kernel for kernel in Kernel if kernel.symbol in names]
        sequences = tuple(op.sym_name.data for op in device.body.block.ops if isinstance(op, RuntimeSequenceOp))
        symbols = tuple(kernel.symbol for kernel in kernels)
        found.append(Configuration(device.sym_name.data, symbols, kernels_bytes(kernels), sequences))
    return tuple(found)


def controller_totals(module: ModuleOp) -> dict[str, int]:
    """Instructions of the controller in all runtime sequences of the array level, and their 32-bit words."""
    total = sum(controller_counts(module).values(), ControllerCount())
    return {"instructions": total.instructions, "words": total.words}


def plain(attribute: Attribute) -> Any:
    """An attribute as JSON would have it; whatever is not text, number, list or dictionary is its text."""
    match attribute:
        case StringAttr():
            return attribute.data
        case IntegerAttr() | FloatAttr():
            return attribute.value.data
        case ArrayAttr():
            return [plain(element) for element in attribute.data]
        case DictionaryAttr():
            return {name: plain(element) for name, element in attribute.data.items()}
        case _:
            return str(attribute)
