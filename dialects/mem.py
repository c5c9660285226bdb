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

from collections.abc import Mapping, Sequence
from typing import Any, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    SymbolRefAttr,
    i64,
)
from xdsl.ir import Attribute, Dialect, Operation, Region, SSAValue
from xdsl.irdl import (
    AnyAttr,
    AttrSizedOperandSegments,
    BaseAttr,
    IRDLOperation,
    ParsePropInAttrDict,
    eq,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, NoTerminator
from xdsl.utils.exceptions import VerifyException

from compiler.kernels.parameters import Kernel, Parameter
from compiler.transfers.window import Window
from dialects.blob import BlobAttr
from dialects.mem_attributes import (
    DDR,
    MEMTILE,
    BufferType,
    Space,
    TokenType,
    WindowAttr,
    integers_attr,
    integers_of,
    named_integers_attr,
    named_integers_of,
    windows_attr,
    windows_of,
)

INTEGERS = DenseArrayBase.constr(eq(i64))
INTEGER = IntegerAttr.constr(eq(i64))
CONSTANT = BaseAttr(BlobAttr) | BaseAttr(cast("type[Any]", DenseIntOrFPElementsAttr))
WINDOWS = ArrayAttr.constr(BaseAttr(WindowAttr))
PARAMETERS = {parameter.name.lower(): parameter for parameter in Parameter}


class MemOp(IRDLOperation):
    """Properties are printed among the attributes."""

    irdl_options = (ParsePropInAttrDict(),)
    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect())


def verify_numbers(name: str, attribute: DenseArrayBase[IntegerType], count: int) -> tuple[int, ...]:
    """`count` integers."""
    values = integers_of(attribute)
    if len(values) != count:
        raise VerifyException(f"{name} is {list(values)}; expected {count} integers")
    return values


def verify_parameters(attribute: DictionaryAttr) -> None:
    """Only names that the parameter block has."""
    unknown = sorted(set(attribute.data) - set(PARAMETERS))
    if unknown:
        raise VerifyException(f"unknown parameters {unknown}; known: {sorted(PARAMETERS)}")


@irdl_op_definition
class MapOp(MemOp):
    """
    A map with a place: in DDR, or striped by rows over the MemTiles at one address, live for an interval of bands.

        %0 = mem.map "conv1" {shape = array<i64: 64, 112, 112>, position = 4 : i64, address = 4096 : i64,
             size = 200704 : i64, live = array<i64: 0, 2>, stripes = array<i64: 0, 28, 28, 56, 56, 84, 84, 112>}
             : !mem.buffer<memtile>

    `shape` is channels, height, width; `size` bytes in DDR or in each MemTile; `stripes` first and past-last row of
    each column.
    """

    name = "mem.map"

    map_name = prop_def(StringAttr)
    shape_attr = prop_def(INTEGERS, prop_name="shape")
    position_attr = prop_def(INTEGER, prop_name="position")
    address_attr = prop_def(INTEGER, prop_name="address")
    size_attr = prop_def(INTEGER, prop_name="size")
    live_attr = prop_def(INTEGERS, prop_name="live")
    stripes_attr = opt_prop_def(INTEGERS, prop_name="stripes")
    result = result_def(BufferType)

    assembly_format = "$map_name attr-dict `:` type($result)"

    def __init__(
        self,
        name: str,
        shape: tuple[int, int, int],
        position: int,
        address: int,
        size: int,
        live: tuple[int, int],
        stripes: Sequence[tuple[int, int]] | None,
    ):
        placed = {} if stripes is None else {"stripes": integers_attr([row for pair in stripes for row in pair])}
        super().__init__(
            properties={
                "map_name": StringAttr(name),
                "shape": integers_attr(shape),
                "position": IntegerAttr(position, i64),
                "address": IntegerAttr(address, i64),
                "size": IntegerAttr(size, i64),
                "live": integers_attr(live),
                **placed,
            },
            result_types=[DDR if stripes is None else MEMTILE],
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return cast("tuple[int, int, int]", integers_of(self.shape_attr))

    @property
    def address(self) -> int:
        """Bytes from the start of its memory."""
        return self.address_attr.value.data

    @property
    def size(self) -> int:
        """Bytes, in DDR or in each MemTile."""
        return self.size_attr.value.data

    @property
    def position(self) -> int:
        """Binary position of the int8 values."""
        return self.position_attr.value.data

    @property
    def live(self) -> tuple[int, int]:
        """First and past-last band."""
        return cast("tuple[int, int]", integers_of(self.live_attr))

    @property
    def row_words(self) -> int:
        """Words of one row over all channel blocks."""
        channels, _, width = self.shape
        return -(-channels // 8) * width * 2

    @property
    def stripes(self) -> tuple[tuple[int, int], ...]:
        """Rows of each column; empty for a map in DDR."""
        if self.stripes_attr is None:
            return ()
        rows = integers_of(self.stripes_attr)
        return tuple(zip(rows[::2], rows[1::2], strict=True))

    def verify_(self) -> None:
        _, height, _ = verify_numbers("shape", self.shape_attr, 3)
        verify_numbers("live", self.live_attr, 2)
        if (self.result.type == MEMTILE) != (self.stripes_attr is not None):
            raise VerifyException("stripes belong to maps in MemTiles, and only to them")
        if self.address % 4 or self.address < 0:
            raise VerifyException(f"address {self.address} is not a word address; DMA moves 4-byte words")
        rows = [last - first for first, last in self.stripes] or [height]
        if 4 * self.row_words * max(rows) > self.size:
            raise VerifyException(f"{max(rows)} rows of {4 * self.row_words} bytes exceed the size {self.size}")


@irdl_op_definition
class WeightsOp(MemOp):
    """
    The weights of one launch in DDR: streams of chunks, each stream for the cores that compute the same channels.

        %w = mem.weights {values = #bsr.blob<"conv1.chunks", "…">, streams = array<i64: 0, 4, 4224, 4>, chunk = 1056}
             : !mem.buffer<ddr>

    `streams` has the first word and the number of chunks of each stream; `chunk` is the size of every chunk in words.
    `compiler.kernels.weight_chunk` says what a chunk holds.
    """

    name = "mem.weights"

    values = prop_def(CONSTANT)
    streams_attr = prop_def(INTEGERS, prop_name="streams")
    chunk_attr = prop_def(INTEGER, prop_name="chunk")
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, values: Attribute, streams: Sequence[tuple[int, int]], chunk: int):
        super().__init__(
            properties={
                "values": values,
                "streams": integers_attr([number for stream in streams for number in stream]),
                "chunk": IntegerAttr(chunk, i64),
            },
            result_types=[DDR],
        )

    @property
    def streams(self) -> tuple[tuple[int, int], ...]:
        """First word and number of chunks of each stream."""
        numbers = integers_of(self.streams_attr)
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    @property
    def chunk_words(self) -> int:
        """Words of each chunk."""
        return self.chunk_attr.value.data


@irdl_op_definition
class RingOp(MemOp):
    """
    Space in every MemTile through which weight chunks pass on their way from DDR to the cores.

        %r = mem.ring {address = 0 : i64, slot_words = 1056 : i64, slots = 2 : i64, live = array<i64: 3, 4>}
             : !mem.buffer<memtile>
    """

    name = "mem.ring"

    address_attr = prop_def(INTEGER, prop_name="address")
    slot_words_attr = prop_def(INTEGER, prop_name="slot_words")
    slots_attr = prop_def(INTEGER, prop_name="slots")
    live_attr = prop_def(INTEGERS, prop_name="live")
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, address: int, slot_words: int, slots: int, live: tuple[int, int]):
        super().__init__(
            properties={
                "address": IntegerAttr(address, i64),
                "slot_words": IntegerAttr(slot_words, i64),
                "slots": IntegerAttr(slots, i64),
                "live": integers_attr(live),
            },
            result_types=[MEMTILE],
        )

    @property
    def address(self) -> int:
        """Bytes from the start of the MemTile."""
        return self.address_attr.value.data

    @property
    def slot_words(self) -> int:
        """Words between slots."""
        return self.slot_words_attr.value.data

    @property
    def slots(self) -> int:
        """Number of slots."""
        return self.slots_attr.value.data

    @property
    def live(self) -> tuple[int, int]:
        """First and past-last band."""
        return cast("tuple[int, int]", integers_of(self.live_attr))


@irdl_op_definition
class CopyOp(MemOp):
    """
    Words between DDR and the MemTile of one column, by the column's shim; either side may be an n-d window.

        %t = mem.copy %ddr to %tile {source = #mem.window<1, 0 [<3136, 1>]>, target = #mem.window<1, 512 [<3136, 1>]>}
             : !mem.buffer<ddr> to !mem.buffer<memtile>
    """

    name = "mem.copy"

    source = operand_def(BufferType)
    target = operand_def(BufferType)
    source_window = prop_def(WindowAttr, prop_name="from")
    target_window = prop_def(WindowAttr, prop_name="to")
    token = result_def(TokenType)

    assembly_format = "$source `to` $target attr-dict `:` type($source) `to` type($target)"

    def __init__(self, source: SSAValue, target: SSAValue, source_window: Window, target_window: Window):
        super().__init__(
            operands=[source, target],
            properties={"from": WindowAttr(source_window), "to": WindowAttr(target_window)},
            result_types=[TokenType()],
        )

    @property
    def column(self) -> int:
        """Whose shim moves the words."""
        return self.target_window.data.column

    @property
    def fills(self) -> bool:
        """From DDR to the MemTile, not back."""
        return self.source.type == DDR

    def verify_(self) -> None:
        if {self.source.type, self.target.type} != {DDR, MEMTILE}:
            raise VerifyException(f"a copy is between DDR and a MemTile, not {self.source.type} to {self.target.type}")
        source, target = self.source_window.data, self.target_window.data
        if source.words != target.words:
            raise VerifyException(f"{source.words} words leave and {target.words} arrive")
        if source.column != target.column:
            raise VerifyException(f"one shim serves one column: source {source.column}, target {target.column}")


@irdl_op_definition
class WaitOp(MemOp):
    """
    Goes on when all of these have ended.

        mem.wait %0, %1
    """

    name = "mem.wait"

    tokens = var_operand_def(TokenType)

    assembly_format = "$tokens attr-dict"

    def __init__(self, tokens: Sequence[SSAValue]):
        super().__init__(operands=[list(tokens)])


@irdl_op_definition
class CoreOp(MemOp):
    """
    One core's share of a launch: its parameters, the windows its input rows come from and its output rows go to.

        mem.core 0, 2 {parameters = {rows = 14 : i64, …}, reads = [#mem.window<…>], read_runs = 4 : i64,
                       writes = [#mem.window<…>], write_runs = array<i64: 4>, stream = 1 : i64}

    The chain of `reads` runs `read_runs` times; each of `writes` runs its number of `write_runs`, one after the other.
    """

    name = "mem.core"

    column_attr = prop_def(INTEGER, prop_name="column")
    row_attr = prop_def(INTEGER, prop_name="row")
    parameters = prop_def(DictionaryAttr)
    reads_attr = prop_def(WINDOWS, prop_name="reads")
    read_runs_attr = prop_def(INTEGER, prop_name="read_runs")
    writes_attr = prop_def(WINDOWS, prop_name="writes")
    write_runs_attr = prop_def(INTEGERS, prop_name="write_runs")
    stream_attr = prop_def(INTEGER, prop_name="stream")

    assembly_format = "attr-dict"

    def __init__(
        self,
        column: int,
        row: int,
        parameters: Mapping[str, int],
        reads: Sequence[Window],
        read_runs: int,
        writes: Sequence[Window],
        write_runs: Sequence[int],
        stream: int,
    ):
        super().__init__(
            properties={
                "column": IntegerAttr(column, i64),
                "row": IntegerAttr(row, i64),
                "parameters": named_integers_attr(parameters),
                "reads": windows_attr(reads),
                "read_runs": IntegerAttr(read_runs, i64),
                "writes": windows_attr(writes),
                "write_runs": integers_attr(write_runs),
                "stream": IntegerAttr(stream, i64),
            }
        )

    @property
    def column(self) -> int:
        """Column of the core."""
        return self.column_attr.value.data

    @property
    def row(self) -> int:
        """Row of the core, counted from the MemTile."""
        return self.row_attr.value.data

    @property
    def own_parameters(self) -> dict[str, int]:
        """Parameters that differ between cores."""
        return named_integers_of(self.parameters)

    @property
    def reads(self) -> tuple[Window, ...]:
        """The input chain."""
        return windows_of(self.reads_attr)

    @property
    def read_runs(self) -> int:
        """How often the input chain runs."""
        return self.read_runs_attr.value.data

    @property
    def writes(self) -> tuple[tuple[Window, int], ...]:
        """Output windows with their number of runs."""
        return tuple(zip(windows_of(self.writes_attr), integers_of(self.write_runs_attr), strict=True))

    @property
    def stream(self) -> int:
        """Which stream of weights the core hears; -1 for kernels without weights."""
        return self.stream_attr.value.data

    def verify_(self) -> None:
        verify_parameters(self.parameters)
        if len(self.writes_attr.data) != len(integers_of(self.write_runs_attr)):
            raise VerifyException("every window of writes needs its number of runs")


@irdl_op_definition
class LaunchOp(MemOp):
    """
    Cores compute some rows of a layer. The region lists the cores that have work; all others stay idle.

        %t = mem.launch "conv" (%in) to %out weights(%w via %ring) {parameters = {kernel = 0 : i64, …}} ({ mem.core … })
             : …
    """

    name = "mem.launch"
    irdl_options = (ParsePropInAttrDict(), AttrSizedOperandSegments(as_property=True))
    traits = traits_def(NoTerminator(), MemoryReadEffect(), MemoryWriteEffect())

    kernel_attr = prop_def(StringAttr, prop_name="kernel")
    inputs = var_operand_def(BufferType)
    output = operand_def(BufferType)
    weights = opt_operand_def(BufferType)
    ring = opt_operand_def(BufferType)
    parameters = prop_def(DictionaryAttr)
    body = region_def("single_block")
    token = result_def(TokenType)

    assembly_format = (
        "$kernel `(` $inputs `)` `to` $output (`weights` $weights^)? (`via` $ring^)? attr-dict-with-keyword $body `:` "
        "`(` type($inputs) `)` `to` type($output) (`weights` type($weights)^)? (`via` type($ring)^)?"
    )

    def __init__(
        self,
        kernel: Kernel,
        inputs: Sequence[SSAValue],
        output: SSAValue,
        weights: SSAValue | None,
        ring: SSAValue | None,
        parameters: Mapping[str, int],
        cores: Region,
    ):
        super().__init__(
            operands=[list(inputs), output, weights, ring],
            properties={"kernel": StringAttr(kernel.symbol), "parameters": named_integers_attr(parameters)},
            regions=[cores],
            result_types=[TokenType()],
        )

    @property
    def kernel(self) -> Kernel:
        """What the cores run."""
        return Kernel[self.kernel_attr.data.upper()]

    @property
    def cores(self) -> tuple[CoreOp, ...]:
        """Cores with work."""
        return tuple(cast(CoreOp, op) for op in self.body.block.ops)

    @property
    def common_parameters(self) -> dict[str, int]:
        """Parameters that are the same on every core."""
        return named_integers_of(self.parameters)

    def verify_(self) -> None:
        verify_parameters(self.parameters)
        if self.kernel_attr.data.upper() not in Kernel.__members__:
            known = ", ".join(kernel.symbol for kernel in Kernel)
            raise VerifyException(f"unknown kernel '{self.kernel_attr.data}'; known: {known}")
        strangers = [op.name for op in self.body.block.ops if not isinstance(op, CoreOp)]
        if strangers:
            raise VerifyException(f"a launch holds mem.core ops only, found {strangers[0]}")
        if (self.weights is None) != (self.ring is None):
            raise VerifyException("weights come through a ring: give both or neither")


@irdl_op_definition
class SegmentOp(MemOp):
    """
    One layer as it runs on the whole array. When it has ended, `output` holds the map named `tensor`.

        mem.segment "conv1" -> %out {tensor = "conv1_1"} : !mem.buffer<memtile> { … }
    """

    name = "mem.segment"
    traits = traits_def(NoTerminator(), MemoryReadEffect(), MemoryWriteEffect())

    segment_name = prop_def(StringAttr)
    tensor = prop_def(StringAttr)
    output = operand_def(BufferType)
    body = region_def("single_block")

    assembly_format = "$segment_name `->` $output attr-dict-with-keyword `:` type($output) $body"

    def __init__(self, name: str, tensor: str, output: SSAValue, body: Region):
        super().__init__(
            operands=[output],
            properties={"segment_name": StringAttr(name), "tensor": StringAttr(tensor)},
            regions=[body],
        )


@irdl_op_definition
class InvokeOp(MemOp):
    """
    One invocation of the array: its segments run without the host.

        mem.invoke { mem.segment … }
    """

    name = "mem.invoke"
    traits = traits_def(NoTerminator(), MemoryReadEffect(), MemoryWriteEffect())

    body = region_def("single_block")

    assembly_format = "attr-dict-with-keyword $body"

    def __init__(self, body: Region):
        super().__init__(regions=[body])

    @property
    def segments(self) -> tuple[SegmentOp, ...]:
        """The segments, in order."""
        return tuple(cast(SegmentOp, op) for op in self.body.block.ops)


@irdl_op_definition
class ImageOp(MemOp):
    """
    The weights argument of the runtime sequences: parameter blocks and weight chunks in the order they are loaded.

        %w = mem.image {values = #bsr.blob<"array.weights", "…">} : !mem.buffer<ddr>
    """

    name = "mem.image"

    values = prop_def(CONSTANT)
    result = result_def(BufferType)

    assembly_format = "attr-dict `:` type($result)"

    def __init__(self, values: Attribute):
        super().__init__(properties={"values": values}, result_types=[DDR])


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
        """Tensor and map of each segment."""
        names = [cast(StringAttr, name).data for name in self.segments.data]
        tensors = [cast(StringAttr, name).data for name in self.tensors.data]
        maps = [map_of(value) for value in self.outputs]
        return dict(zip(names, zip(tensors, maps, strict=True), strict=True))


@irdl_op_definition
class StoreOp(MemOp):
    """
    The host lays a tensor out as a map in DDR: NCHW becomes [rows][channels/8][width][8], zeros beyond the channels.

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


def map_of(value: SSAValue) -> MapOp:
    """The map behind a buffer operand."""
    owner = value.owner
    if not isinstance(owner, MapOp):
        raise VerifyException(f"expected a buffer made by mem.map, got one by {owner}")
    return owner


OPERATIONS: list[type[Operation]] = [
    MapOp,
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

__all__ = ["Mem", "Space", "map_of"]
