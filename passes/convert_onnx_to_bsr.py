"""
From a quantised ONNX graph to the block-sparse level.

Before: `onnx.QuantizeLinear` and `DequantizeLinear` around every operator, as `onnx-quantize` or any tool writes them:

    %a = onnx.DequantizeLinear(%q, %s, %z) …      %w = onnx.DequantizeLinear(%w_int8, …) …
    %c = onnx.Conv(%a, %w, %b) …                  %r = onnx.Relu(%c)
    %y = onnx.QuantizeLinear(%r, %t, %z)

After: one op per QuantizeLinear, on integers, and the weights by their non-zero blocks:

    %w = bsr.weights {gamma = …, values = …, bias = …} : tensor<64x64x3x3xi8, #bsr.blocks<7, 31 of 64>>
    %y = bsr.conv2d(%q, %w) {pads = array<i64: 1, 1, 1, 1>, clamp = array<i64: 0, 127>, bsr.tensor = "y"}

Every QuantizeLinear to int8 with a constant scale for the tensor is an anchor: a value of both graphs, bit for bit.
What lies between an anchor and the anchors before it becomes ops of this level if there is an exact form, and a
`bsr.host` with the reason otherwise. So every graph is accepted, and no operator is dropped or approximated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from compiler.errors import InputError
from dialects.bsr import TENSOR_NAME, WeightsOp, is_map, map_type
from dialects.bsr_attributes import element_type_of
from dialects.onnx import UNCONVERTED, OnnxOp, is_operator
from passes.fixed_point_operands import Operands
from passes.fixed_point_values import Unrepresentable, is_int8, linear_encoding, static_shape
from passes.host_segments import PLUMBING, Segment, cone_of, finish_segment, merge_segments, open_segment, stranded_ops
from passes.quantised_operators import lower_quantize
from passes.stored_constants import is_stored
from passes.word_moves import word_moves


@dataclass(frozen=True)
class ConvertOnnxToBsrPass(ModulePass):
    """
    Lower a quantised onnx module to the bsr level; what has no exact form there becomes a host segment with its reason.

    `rounding` is how the array rounds ties. Only half_even equals ONNX; half_up is what the DPU does.
    """

    name = "convert-onnx-to-bsr"

    rounding: Literal["half_even", "half_up"] = "half_even"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        functions = [function for function in op.ops if isinstance(function, FuncOp)]
        if not functions:
            raise InputError("the module has no func.func, so there is no network to convert")
        for function in functions:
            conversion = _Conversion(op, function, self.rounding)
            converted = conversion.run()
            if kept := conversion.stranded():
                converted = _Conversion(op, function, self.rounding, kept).run()
            function.parent_block().insert_op_before(converted, function)  # pyright: ignore[reportOptionalMemberAccess]
            function.detach()
            function.erase()
        for name in [name for name in op.attributes if name.startswith("onnx.")]:
            del op.attributes[name]


@dataclass
class _Conversion:
    """One function: the new block, and the new value of every value that exists at both levels."""

    module: ModuleOp
    function: FuncOp
    rounding: Literal["half_even", "half_up"]
    kept_on_host: frozenset[OnnxOp] = frozenset()
    """QuantizeLinear nodes that are no anchors, because the host computes and reads what they give."""
    available: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    maps: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])
    """Those of the available values that are int8 maps."""
    segments: list[Segment] = field(default_factory=list[Segment])
    irregular: str = ""
    """Why a network that only moves words is nothing for the array."""

    def run(self) -> FuncOp:
        old = self.function.body.block
        self.block = Block(arg_types=[_argument_type(argument) for argument in old.args])
        for argument, new in zip(old.args, self.block.args, strict=True):
            new.name_hint = argument.name_hint
            self.available[argument] = new
            if is_map(new.type):
                self.maps[argument] = new
        moved = self._moved_words()
        for op in old.ops:
            if is_operator(op, "QuantizeLinear") and UNCONVERTED not in self.module.attributes:
                self._anchor(cast(OnnxOp, op))
        returned = cast(ReturnOp, old.last_op).arguments
        results = moved or [self._result(value) for value in returned]
        self.block.add_op(ReturnOp(*results))
        _erase_dead(self.block)
        self._finish_segments(old)
        return FuncOp(
            self.function.sym_name.data,
            ([argument.type for argument in self.block.args], [value.type for value in results]),
            Region(self.block),
            visibility=self.function.sym_visibility,
            arg_attrs=self.function.arg_attrs,
            res_attrs=self.function.res_attrs,
        )

    def stranded(self) -> frozenset[OnnxOp]:
        """The anchors, after `run`, whose ops only move or clamp something between two host segments."""
        stranded = stranded_ops(self.block)
        return frozenset(cast(OnnxOp, old.owner) for old, new in self.maps.items() if new.owner in stranded)

    def _anchor(self, quantize: OnnxOp) -> None:
        """Lower one QuantizeLinear; without one constant scale it is an ordinary node of some host segment."""
        if not is_int8(quantize.output) or quantize in self.kept_on_host:
            return
        try:
            encoding = linear_encoding(quantize)
            shape = static_shape(quantize.output)
        except Unrepresentable:
            return
        name = next(iter(quantize.output_names), f"tensor{len(self.maps)}")
        operands = Operands(self.maps, self.rounding)
        try:
            value = lower_quantize(operands, quantize, name)
            for op in operands.emitted:
                if isinstance(op, WeightsOp):
                    op.result.name_hint = f"{quantize.output.name_hint or 'layer'}_weights"
            self._add(operands.emitted)
        except Unrepresentable as reason:
            operands.withdraw()
            value = self._host(quantize.output, map_type(shape, encoding), str(reason), name)
        if isinstance(value.owner, Operation) and TENSOR_NAME not in value.owner.attributes:
            value.owner.attributes[TENSOR_NAME] = StringAttr(name)
            value.name_hint = quantize.output.name_hint
        self.maps[quantize.output] = self.available[quantize.output] = value

    def _moved_words(self) -> list[SSAValue]:
        """The results of a network that only moves words; none if it does anything else, or too irregularly."""
        try:
            found = word_moves(self.module, self.function, self.block.args)
        except Unrepresentable as reason:
            self.irregular = str(reason)
            return []
        if found is None:
            return []
        self.block.add_ops([*found.stored, *found.moves])
        return list(found.results)

    def _add(self, ops: list[Operation]) -> None:
        """Ops at the end, but what the host stores at the beginning, where it parts nothing that the array computes."""
        for op in ops:
            first = self.block.first_op
            if is_stored(op) and first is not None:
                self.block.insert_op_before(op, first)
            else:
                self.block.add_op(op)

    def _host(self, value: SSAValue, type: Attribute, reason: str, name: str) -> SSAValue:
        segment = open_segment(value, type, self.available, reason, name)
        self.segments.append(segment)
        self.block.add_op(segment.placeholder)
        segment.placeholder.outputs[0].name_hint = value.name_hint
        return segment.placeholder.outputs[0]

    def _result(self, value: SSAValue) -> SSAValue:
        """A result of the function: a map if it is int8, computed on the host otherwise."""
        if value in self.available:
            return self.available[value]
        if is_int8(value):
            operands = Operands(self.maps, self.rounding)
            try:
                result = operands.map(value)
                self.block.add_ops(operands.emitted)
                return result
            except Unrepresentable as refusal:
                operands.withdraw()
                reason = str(refusal)
        else:
            reason = self._float_reason(value)
        return self._host(value, value.type, reason, f"result{len(self.segments)}")

    def _float_reason(self, value: SSAValue) -> str:
        unconverted = self.module.attributes.get(UNCONVERTED)
        if isinstance(unconverted, StringAttr):
            return unconverted.data
        if self.irregular:
            return self.irregular
        return _float_reason(value, cone_of(value, self.available)[0])

    def _finish_segments(self, old: Block) -> None:
        order = {op: index for index, op in enumerate(old.ops)}
        alive = [segment for segment in self.segments if segment.placeholder.parent is not None]
        for index, segment in enumerate(merge_segments(alive, self.available)):
            finish_segment(segment, self.module, order, f"host{index}.{segment.placeholder.node.data}")


def _argument_type(argument: SSAValue) -> Attribute:
    """An int8 input of the network means what its DequantizeLinear nodes agree on."""
    if not is_int8(argument):
        return argument.type
    readers = [use.operation for use in argument.uses]
    try:
        encodings = {linear_encoding(cast(OnnxOp, op)) for op in readers if is_operator(op, "DequantizeLinear")}
        shape = static_shape(argument)
    except Unrepresentable:
        return argument.type
    return map_type(shape, encodings.pop()) if len(encodings) == 1 else argument.type


def _float_reason(value: SSAValue, nodes: frozenset[OnnxOp]) -> str:
    """Why a result that is not int8 is computed on the host."""
    element = str(element_type_of(value.type) or value.type)
    computing = sorted({node.operator for node in nodes if not is_operator(node, *PLUMBING)})
    if computing:
        return f"{', '.join(computing)} gives a result in {element} that is not quantised, and the array computes int8"
    return f"the network's output leaves in {element}"


def _erase_dead(block: Block) -> None:
    """Every op here is pure: one whose results nobody reads goes, the last first."""
    for op in reversed(list(block.ops)):
        if op.results and not any(result.uses for result in op.results):
            op.detach()
            op.erase()
