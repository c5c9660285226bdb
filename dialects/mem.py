"""
The `mem` level: every byte has a place, every movement is an op, every core knows its share.

A program is a function of invocations of the array (`mem.invoke`) and of host work between them. An invocation is a
list of segments; a segment is one layer as it runs on the whole array:

    %in  = mem.map "conv1" {…} : !mem.buffer<memtile>           a map, striped by rows over the columns' MemTiles
    %t   = mem.copy %ddr to %in {…}                              whole rows from DDR; runs on by itself
    mem.wait %t
    %l   = mem.launch "conv" (%in) -> %out weights(%w, %ring) {…} ({ mem.core 0, 2 {…} … })
    mem.wait %l

A map of C channels lies as [rows][C/8][width][8] bytes. Launch parameters are those of `compiler.kernels.parameters`,
by their lower-case names: common ones on the launch, a core's own on the core.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntegerAttr,
    StringAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    eq,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, NoTerminator

from dialects.mem_attributes import (
    DDR,
    BufferType,
    TokenType,
    WindowAttr,
)
from dialects.mem_copies import CopyOp, WaitOp
from dialects.mem_launch import CoreOp, LaunchOp
from dialects.mem_maps import MapOp, map_of
from dialects.mem_op import CONSTANT, MemOp
from dialects.mem_weights import ImageOp, RingOp, WeightsOp
from dialects.mem_words import WordsOp, in_ddr

__all__ = [
    "CopyOp",
    "CoreOp",
    "HostOp",
    "ImageOp",
    "InvokeOp",
    "LaunchOp",
    "LoadOp",
    "MapOp",
    "Mem",
    "RingOp",
    "RunOp",
    "SegmentOp",
    "StoreOp",
    "WaitOp",
    "WeightsOp",
    "WordsOp",
    "in_ddr",
    "map_of",
]


@irdl_op_definition
class SegmentOp(MemOp):
    """
    One layer as it runs on the whole array. When it has ended, `output` holds the map named `tensor`. Lives of buffers
    count its `bands`, runs of rows of every column that are computed one after the other; one if it does not say.
    Layers that run together, band by band, are one segment, "conv1+pool1": what is between them is nowhere whole, and
    so no tensor that levels could be compared by.

        mem.segment "conv1" -> %out {tensor = "conv1_1", bands = 4 : i64} : !mem.buffer<memtile> { … }
    """

    name = "mem.segment"
    traits = traits_def(NoTerminator(), MemoryReadEffect(), MemoryWriteEffect())

    segment_name = prop_def(StringAttr)
    tensor = prop_def(StringAttr)
    bands_attr = opt_prop_def(IntegerAttr, prop_name="bands")
    output = operand_def(BufferType)
    body = region_def("single_block")

    assembly_format = "$segment_name `->` $output attr-dict-with-keyword `:` type($output) $body"

    def __init__(self, name: str, tensor: str, output: SSAValue, body: Region, bands: int = 1):
        several = None if bands == 1 else IntegerAttr(bands, i64)
        super().__init__(
            operands=[output],
            properties={"segment_name": StringAttr(name), "tensor": StringAttr(tensor), "bands": several},
            regions=[body],
        )

    @property
    def bands(self) -> int:
        """In how many bands it runs."""
        return 1 if self.bands_attr is None else self.bands_attr.value.data


@irdl_op_definition
class InvokeOp(MemOp):
    """
    One invocation of the array: its segments run without the host.

        mem.invoke { mem.segment … }
        mem.invoke attributes {configuration = 1 : i64} { mem.segment … }

    Its cores run the program of a `configuration`, 0 if it does not say. Where the one before ran another, the MemTiles
    hold nothing of what it left there.
    """

    name = "mem.invoke"
    traits = traits_def(NoTerminator(), MemoryReadEffect(), MemoryWriteEffect())
    irdl_options = (ParsePropInAttrDict(),)

    configuration_attr = opt_prop_def(IntegerAttr, prop_name="configuration")
    body = region_def("single_block")

    assembly_format = "attr-dict-with-keyword $body"

    def __init__(self, body: Region, configuration: int = 0):
        several = IntegerAttr(configuration, i64) if configuration else None
        super().__init__(regions=[body], properties={"configuration": several})

    @property
    def configuration(self) -> int:
        """The program that its cores run."""
        return 0 if self.configuration_attr is None else self.configuration_attr.value.data

    @property
    def segments(self) -> tuple[SegmentOp, ...]:
        """The segments, in order."""
        return tuple(cast(SegmentOp, op) for op in self.body.block.ops)


@irdl_op_definition
class RunOp(MemOp):
    """
    The host lets the array run one of its runtime sequences. When segment n has ended, output n holds its tensor.

        mem.run @sequence_0(%w) {segments = ["conv1"], tensors = ["conv1_1"]} -> (%y)
    """

    name = "mem.run"
    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))

    sequence = prop_def(SymbolRefAttr)
    weights = operand_def(BufferType)
    segments = prop_def(ArrayAttr)
    tensors = prop_def(ArrayAttr)
    outputs = var_operand_def(BufferType)

    assembly_format = (
        "$sequence `(` $weights `)` attr-dict `->` `(` $outputs `)` `:` type($weights) `->` `(` type($outputs) `)`"
    )

    def __init__(
        self,
        weights: SSAValue,
        sequence: str,
        segments: Sequence[str],
        tensors: Sequence[str],
        outputs: Sequence[SSAValue],
    ):
        super().__init__(
            operands=[weights, list(outputs)],
            properties={
                "sequence": SymbolRefAttr(sequence),
                "segments": ArrayAttr([StringAttr(name) for name in segments]),
                "tensors": ArrayAttr([StringAttr(name) for name in tensors]),
            },
        )

    @property
    def results_by_segment(self) -> dict[str, tuple[str, MapOp]]:
        """Tensor and map of each segment whose map is a tensor with a name."""
        names = [cast(StringAttr, name).data for name in self.segments.data]
        tensors = [cast(StringAttr, name).data for name in self.tensors.data]
        outputs = zip(names, tensors, self.outputs, strict=True)
        return {name: (tensor, map_of(value)) for name, tensor, value in outputs if tensor}


@irdl_op_definition
class StoreOp(MemOp):
    """
    The host lays a tensor out as a map in DDR: NCHW becomes [rows][channels/8][width][8], zeros beyond the channels.
    Into `mem.words` it goes as it is.

        mem.store %x, %map : tensor<1x3x224x224xi8, #bsr.fixed<6>>, !mem.buffer<ddr>
    """

    name = "mem.store"

    value = operand_def(AnyAttr())
    target = operand_def(eq(DDR))

    assembly_format = "$value `,` $target attr-dict `:` type($value) `,` type($target)"

    def __init__(self, value: SSAValue, target: SSAValue):
        super().__init__(operands=[value, target])


@irdl_op_definition
class LoadOp(MemOp):
    """
    The host reads a map from DDR as a tensor, the inverse of `mem.store`.

        %y = mem.load %map : !mem.buffer<ddr> -> tensor<1x1000xi8, #bsr.fixed<3>>
    """

    name = "mem.load"

    source = operand_def(eq(DDR))
    result = result_def(AnyAttr())

    assembly_format = "$source attr-dict `:` type($source) `->` type($result)"

    def __init__(self, source: SSAValue, type: Attribute):
        super().__init__(operands=[source], result_types=[type])


@irdl_op_definition
class HostOp(MemOp):
    """
    Work on the host through ONNX Runtime, between invocations of the array.

        %y = mem.host(%x) {model = #bsr.blob<"…", "…">, node = "Softmax_1", operator = "Softmax", reason = "…"}
             : (tensor<…>) -> tensor<…>
    """

    name = "mem.host"

    inputs = var_operand_def(AnyAttr())
    model = prop_def(CONSTANT)
    node = prop_def(StringAttr)
    operator = prop_def(StringAttr)
    reason = prop_def(StringAttr)
    outputs = var_result_def(AnyAttr())

    assembly_format = "`(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)"

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        model: Attribute,
        node: str,
        operator: str,
        reason: str,
        types: Sequence[Attribute],
    ):
        super().__init__(
            operands=[list(inputs)],
            properties={
                "model": model,
                "node": StringAttr(node),
                "operator": StringAttr(operator),
                "reason": StringAttr(reason),
            },
            result_types=[list(types)],
        )


OPERATIONS: list[type[Operation]] = [
    MapOp,
    WordsOp,
    WeightsOp,
    RingOp,
    CopyOp,
    WaitOp,
    CoreOp,
    LaunchOp,
    SegmentOp,
    InvokeOp,
    ImageOp,
    RunOp,
    StoreOp,
    LoadOp,
    HostOp,
]

Mem = Dialect("mem", OPERATIONS, [BufferType, TokenType, WindowAttr])
"""Registered as `mem`."""
