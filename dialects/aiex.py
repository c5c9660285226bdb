"""
The `aiex` dialect: what the controller does while a network runs, in upstream's words.

Task form, one task per queue entry of a DMA channel:

    %task = aiex.dma_configure_task(%core, S2MM, 0) {
      aie.use_lock(%empty, AcquireGreaterEqual, 1)
      aie.dma_bd(%arena : memref<14336xi32>, 1024, 64) {bd_id = 1 : i32}
      aie.use_lock(%full, Release, 1)
      aie.end
    } {issue_token = true, repeat_count = 7 : i32}
    aiex.dma_start_task(%task)
    aiex.dma_await_task(%task)

`repeat_count` is the number of runs − 1. Register form, what tasks become: `aiex_registers`. Several
devices one after the other: `aiex_devices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

from xdsl.dialects.builtin import (
    BoolAttr,
    DenseArrayBase,
    FlatSymbolRefAttrConstr,
    IndexType,
    IntegerAttr,
    IntegerType,
    MemRefType,
    Signedness,
    SymbolRefAttr,
    i32,
    i64,
)
from xdsl.dialects.builtin import IntegerType as Integer
from xdsl.dialects.utils import DynamicIndexList
from xdsl.ir import Dialect, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    eq,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    var_operand_def,
)

from dialects.aie_attributes import Direction, DMAChannelDir, PacketInfoAttr, i32_attr, int_value
from dialects.aie_structure import I32, INDEX
from dialects.aiex_devices import ConfigureOp, RunOp
from dialects.aiex_registers import (
    AddressPatchOp,
    BlockWriteOp,
    MaskWrite32Op,
    PushQueueOp,
    SyncOp,
    Write32Op,
)
from dialects.notes import RUNS

I64 = IntegerAttr.constr(eq(i64))
INDEX_LIST = DenseArrayBase.constr(eq(i64))
UI32 = Integer(32, Signedness.UNSIGNED)


@irdl_op_definition
class DMAConfigureTaskOp(IRDLOperation):
    """Write descriptors of one channel of one tile, without starting them."""

    name = "aiex.dma_configure_task"
    tile = operand_def(INDEX)
    direction = prop_def(I32)
    channel = prop_def(I32)
    issue_token = prop_def(BoolAttr, default_value=BoolAttr.from_bool(False))
    repeat_count = prop_def(I32, default_value=i32_attr(0))
    packet = opt_prop_def(PacketInfoAttr)
    result = result_def(INDEX)
    body = region_def()
    irdl_options = (ParsePropInAttrDict(),)
    custom_directives = (Direction,)
    assembly_format = "`(` $tile `,` custom<Direction>($direction) `,` $channel `)` $body attr-dict"

    def __init__(
        self,
        tile: SSAValue,
        direction: DMAChannelDir,
        channel: int,
        body: Region,
        *,
        issue_token: bool = False,
        repeat_count: int = 0,
    ):
        super().__init__(
            operands=[tile],
            regions=[body],
            result_types=[IndexType()],
            properties={
                "direction": i32_attr(direction),
                "channel": i32_attr(channel),
                "issue_token": BoolAttr.from_bool(issue_token),
                "repeat_count": i32_attr(repeat_count),
            },
        )

    @property
    def channel_direction(self) -> DMAChannelDir:
        """`direction` as an enumerator."""
        return DMAChannelDir(int_value(self.direction))


@irdl_op_definition
class DMAConfigureTaskForOp(IRDLOperation):
    """The same for a shim channel that has a name: `aiex.dma_configure_task_for @in { … }`."""

    name = "aiex.dma_configure_task_for"
    alloc = prop_def(FlatSymbolRefAttrConstr)
    issue_token = prop_def(BoolAttr, default_value=BoolAttr.from_bool(False))
    repeat_count = prop_def(I32, default_value=i32_attr(0))
    packet = opt_prop_def(PacketInfoAttr)
    result = result_def(INDEX)
    body = region_def()
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$alloc $body attr-dict"


class _TaskOp(IRDLOperation):
    """A step in the life of a task."""

    task = operand_def(INDEX)
    irdl_options = (ParsePropInAttrDict(),)

    def __init__(self, task: SSAValue):
        super().__init__(operands=[task])


@irdl_op_definition
class DMAStartTaskOp(_TaskOp):
    """
    Push a configured task to its channel's queue. A full queue does not wait: it loses the entry.

    How often a task runs stands in the queue's entry, not in its descriptors: `RUNS` says so where it is not what the
    task's repeat count says. Upstream's lowering does not know that note.
    """

    name = "aiex.dma_start_task"
    assembly_format = "`(` $task `)` attr-dict"

    def runs(self, task: DMAConfigureTaskOp | DMAConfigureTaskForOp) -> int:
        """How often `task` runs for this start."""
        note = self.attributes.get(RUNS)
        if isinstance(note, IntegerAttr):
            return cast("IntegerAttr[IntegerType]", note).value.data
        return int_value(task.repeat_count) + 1


@irdl_op_definition
class DMAAwaitTaskOp(_TaskOp):
    """Wait for the completion token of a task that issues one, then free its descriptors."""

    name = "aiex.dma_await_task"
    assembly_format = "`(` $task `)` attr-dict"


@irdl_op_definition
class DMAFreeTaskOp(_TaskOp):
    """Let others use the descriptors of a task that is known to have finished."""

    name = "aiex.dma_free_task"
    assembly_format = "`(` $task `)` attr-dict"


@irdl_op_definition
class DMAMemcpyNdOp(IRDLOperation):
    """
    One shim transfer with up to three dimensions and an iteration, the outermost of four.

    `aiex.npu.dma_memcpy_nd(%a[0, 0, 0, 0][1, 1, 4, 8][0, 0, 8, 1]) {id = 1 : i64, metadata = @in} : memref<4x8xi32>`
    """

    name = "aiex.npu.dma_memcpy_nd"
    memref = operand_def(MemRefType)
    offsets = var_operand_def(eq(i64))
    sizes = var_operand_def(eq(i64))
    strides = var_operand_def(eq(i64))
    static_offsets = prop_def(INDEX_LIST)
    static_sizes = prop_def(INDEX_LIST)
    static_strides = prop_def(INDEX_LIST)
    id = prop_def(I64)
    metadata = prop_def(FlatSymbolRefAttrConstr)
    issue_token = opt_prop_def(BoolAttr)
    packet = opt_prop_def(PacketInfoAttr)
    burst_length = opt_prop_def(I64)
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    custom_directives = (DynamicIndexList,)
    assembly_format = (
        "`(` $memref `` custom<DynamicIndexList>($offsets, $static_offsets) `` "
        "custom<DynamicIndexList>($sizes, $static_sizes) `` "
        "custom<DynamicIndexList>($strides, $static_strides) `)` attr-dict `:` type($memref)"
    )
    DIMENSIONS: ClassVar = 4

    def __init__(
        self,
        memref: SSAValue,
        metadata: str,
        identifier: int,
        *,
        offsets: Sequence[int] = (0, 0, 0, 0),
        sizes: Sequence[int],
        strides: Sequence[int],
        issue_token: bool = False,
    ):
        super().__init__(
            operands=[memref, [], [], []],
            properties={
                "static_offsets": DenseArrayBase.from_list(i64, offsets),
                "static_sizes": DenseArrayBase.from_list(i64, sizes),
                "static_strides": DenseArrayBase.from_list(i64, strides),
                "id": IntegerAttr(identifier, i64),
                "metadata": SymbolRefAttr(metadata),
                "issue_token": BoolAttr.from_bool(True) if issue_token else None,
            },
        )


@irdl_op_definition
class DMAWaitOp(IRDLOperation):
    """Wait for the token of a named shim channel: `aiex.npu.dma_wait {symbol = @out}`."""

    name = "aiex.npu.dma_wait"
    symbol = prop_def(FlatSymbolRefAttrConstr)
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, symbol: str):
        super().__init__(properties={"symbol": SymbolRefAttr(symbol)})


@irdl_op_definition
class RuntimeParameterWriteOp(IRDLOperation):
    """Write one word of a core's buffer: `aiex.npu.rtp_write(@parameters, 0, 5)`."""

    name = "aiex.npu.rtp_write"
    buffer = prop_def(FlatSymbolRefAttrConstr)
    index = prop_def(IntegerAttr.constr(eq(UI32)))
    value = prop_def(IntegerAttr.constr(eq(i32)))
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "`(` $buffer `,` $index `,` $value `)` attr-dict"

    def __init__(self, buffer: str, index: int, value: int):
        super().__init__(
            properties={"buffer": SymbolRefAttr(buffer), "index": IntegerAttr(index, UI32), "value": i32_attr(value)}
        )


Aiex = Dialect(
    "aiex",
    [
        AddressPatchOp,
        BlockWriteOp,
        ConfigureOp,
        DMAAwaitTaskOp,
        DMAConfigureTaskForOp,
        DMAConfigureTaskOp,
        DMAFreeTaskOp,
        DMAMemcpyNdOp,
        DMAStartTaskOp,
        DMAWaitOp,
        MaskWrite32Op,
        PushQueueOp,
        RunOp,
        RuntimeParameterWriteOp,
        SyncOp,
        Write32Op,
    ],
)
