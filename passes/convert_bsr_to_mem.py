"""
`convert-bsr-to-mem{target=npu1 overrides="memtile_bytes=65536"}`: decide where everything lies and who computes what.

    %y = bsr.conv2d(%x, %w) {…}     ->     %y = mem.map "conv1" {address, live, stripes, …}
                                           mem.segment "conv1" -> %y { mem.copy …, mem.launch … { mem.core … } }

Before: `func.func @main` of `bsr` ops on batch 1. After: `mem` ops only; every map has an address, array work lies in
`mem.invoke`s and host work between them. The planners of `compiler.scheduling` and `compiler.tiling` decide; this
pass writes their decisions down. Refuses (CapacityError) a layer that fits no core, naming the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from compiler.errors import BlockloomError, InputError
from compiler.hardware.chip import Chip, chip_named, parse_overrides
from compiler.kernels.parameters import LOOKUP_WORDS, Parameter
from compiler.scheduling.checker import plan_faults
from compiler.scheduling.conv_steps import plan_with_steps
from compiler.scheduling.gathers import copied_maps
from compiler.scheduling.plan import HostSegment, MapBuffer, PlannedLaunch, ProgramPlan, Ring, Segment, Transfer
from compiler.tiling.chunks import weight_streams
from compiler.tiling.core_parameters import common_parameters, own_parameters
from compiler.transfers.access import read_chains, write_chains
from compiler.transfers.window import Window
from dialects import mem
from dialects.bsr import HostOp, MoveOp
from dialects.chip import CHIP, chip_attr
from dialects.constants import constant_attribute
from dialects.notes import PARAMETERS
from passes.array_network import NetworkMaps, build_network
from passes.moved_words import WordMover
from passes.scaled_layers import sparse_weights


def _names(parameters: dict[Parameter, int]) -> dict[str, int]:
    return {parameter.name.lower(): int(value) for parameter, value in parameters.items()}


class _Writer:
    """Writes a plan as ops into one block."""

    def __init__(self, maps: NetworkMaps, plan: ProgramPlan, chip: Chip):
        self.chip = chip
        self.maps = maps
        self.plan = plan
        self.block = Block()
        self.buffers: dict[str, SSAValue] = {}
        self.values: dict[SSAValue, SSAValue] = {}
        """Tensors on the host, old to new."""
        self.segments: Block | None = None
        self.configuration = 0
        self.streams: dict[str, int] = {}
        self.rings: dict[Ring, SSAValue] = {}
        ddr_end = max((buffer.address + buffer.size for buffer in plan.ddr_maps.values()), default=0)
        self.mover = WordMover(chip, self.block, -(-ddr_end // 4) * 4, plan.memtile_height)

    def declare(self, buffer: MapBuffer) -> None:
        """The op of one map buffer."""
        shape = buffer.shape
        op = mem.MapOp(
            buffer.name,
            (shape.channels, shape.height, shape.width),
            self.maps.encodings[buffer.number],
            buffer.address,
            buffer.size,
            buffer.live,
            buffer.stripes,
            buffer.slices,
        )
        self.block.add_op(op)
        self.buffers[buffer.name] = op.result

    def _copy(self, transfer: Transfer) -> mem.CopyOp:
        memtile, ddr, column = transfer.memtile, transfer.ddr, transfer.column
        assert memtile.stripes is not None, "copies are between DDR and MemTiles"
        first, last = transfer.rows
        pitch, width = memtile.shape.row_words, memtile.shape.width
        low, high = transfer.blocks or (0, memtile.shape.blocks)
        sizes = (len(range(first, last, transfer.row_step)), high - low, width * 2)
        rows = Window(column, low * width * 2, sizes, (pitch * transfer.row_step, width * 2, 1))
        rows = rows.merged(self.chip.memtile_wrap_limit)
        there = replace(rows, offset=rows.offset + ddr.address // 4 + first * pitch)
        start = memtile.address // 4 + (first - memtile.stripes[column][0]) * pitch
        here = replace(rows, offset=rows.offset + start)
        if transfer.to_ddr:
            return mem.CopyOp(self.buffers[memtile.name], self.buffers[ddr.name], here, there)
        return mem.CopyOp(self.buffers[ddr.name], self.buffers[memtile.name], there, here)

    def _weights(self, planned: PlannedLaunch, body: Block) -> SSAValue | None:
        launch = planned.launch
        if not launch.layer.kernel.weighted:
            return None
        if not launch.layer.kernel.convolves:
            return self._table(launch.whole.name, body)
        streams = weight_streams(sparse_weights(self.maps.contractions[launch.layer.name]), launch)
        number = self.streams.get(launch.layer.name, 0)
        self.streams[launch.layer.name] = number + 1
        values = constant_attribute(streams.words, f"{launch.layer.name}.chunks{number}")
        weights = mem.WeightsOp(values, streams.streams, streams.chunk_words)
        body.add_op(weights)
        return weights.result

    def _table(self, name: str, body: Block) -> SSAValue:
        """One chunk for all cores: a word for each byte, from 0 to 127 and on to -1."""
        values = np.roll(self.maps.tables[name].entries(), LOOKUP_WORDS // 2).astype(np.int32) & 255
        weights = mem.WeightsOp(constant_attribute(values, f"{name}.table"), ((0, 1),), LOOKUP_WORDS)
        body.add_op(weights)
        return weights.result

    def declare_rings(self) -> None:
        """The op of the ring that broadcasts weights, and those of DEEP launches."""
        segments = [segment for segment in self.plan.segments if isinstance(segment, Segment)]
        own = [planned.ring for segment in segments for band in segment.bands for planned in band.launches]
        for ring in dict.fromkeys((self.plan.ring, *own)):
            if ring is not None:
                op = mem.RingOp(ring.address, ring.page_words, ring.pages, ring.live, ring.cores, ring.ahead)
                self.block.add_op(op)
                self.rings[ring] = op.result

    def _launch(self, planned: PlannedLaunch, body: Block) -> mem.LaunchOp:
        launch = planned.launch
        cores: list[Operation] = []
        for work in launch.cores:
            reads = read_chains(launch, work, planned.inputs, self.chip)
            writes = write_chains(launch, work, planned.output, self.chip)
            cores.append(
                mem.CoreOp(
                    work.column,
                    work.row,
                    _names(own_parameters(launch, work)),
                    [chain.windows for chain in reads],
                    [chain.runs for chain in reads],
                    [chain.windows[0] for chain in writes],
                    [chain.runs for chain in writes],
                    launch.stream_of(self.chip, work.column, work.row),
                )
            )
        weights = self._weights(planned, body)
        ring = planned.ring or self.plan.ring
        return mem.LaunchOp(
            launch.layer.kernel,
            [self.buffers[buffer.name] for buffer in planned.inputs],
            self.buffers[planned.output.name],
            weights,
            self.rings[ring] if weights is not None and ring is not None else None,
            _names(common_parameters(launch)),
            Region(Block(cores)),
            launch.sent,
            launch.gathers,
        )

    def _band(self, segment: Segment, number: int, body: Block) -> None:
        """Fills, launches one after the other, spills; beside the launches, fills and spills of other bands."""
        self._wait_for(self._copies(segment.before(number), body), body)
        beside: list[SSAValue] = []
        filled, spilled = segment.beside(number)
        launches = segment.bands[number].launches
        assert launches, "every band computes some rows"
        for index, planned in enumerate(launches):
            launch = self._launch(planned, body)
            body.add_op(launch)
            if index == 0:
                beside = self._copies((*filled, *spilled), body)
            self._wait_for([launch.token, *(beside if index + 1 == len(launches) else ())], body)
        self._wait_for(self._copies(segment.after(number), body), body)

    def _copies(self, transfers: tuple[Transfer, ...], body: Block) -> list[SSAValue]:
        """Copies that run at the same time."""
        copies = [self._copy(transfer) for transfer in transfers]
        body.add_ops(copies)
        return [copy.token for copy in copies]

    def _wait_for(self, tokens: Sequence[SSAValue], body: Block) -> None:
        if tokens:
            body.add_op(mem.WaitOp(tokens))

    def segment(self, segment: Segment, output: MapBuffer, whole: bool, configuration: int) -> None:
        """One segment, in the current invocation; if its map is `whole` then, it is a tensor with a name."""
        self.mover.invocation = None
        if self.segments is None or configuration != self.configuration:
            self.segments, self.configuration = Block(), configuration
            self.block.add_op(mem.InvokeOp(Region(self.segments), configuration))
        body = Block()
        for number in range(len(segment.bands)):
            self._band(segment, number, body)
        tensor = self.maps.tensors[output.number] if whole else ""
        made = self.buffers[output.name]
        self.segments.add_op(mem.SegmentOp(segment.name, tensor, made, Region(body), len(segment.bands)))

    def tensor(self, value: SSAValue) -> SSAValue:
        """A value as a tensor on the host: computed there, or loaded from its map."""
        if value in self.values:
            return self.values[value]
        if value in self.mover.placed:
            return self.mover.load(value)
        load = mem.LoadOp(self.buffers[self.plan.ddr_maps[self.maps.numbers[value]].name], value.type)
        self.block.add_op(load)
        return load.result

    def store(self, value: SSAValue, tensor: SSAValue) -> None:
        """A host tensor that the array reads, laid out as its map."""
        number = self.maps.numbers.get(value)
        if number in self.plan.ddr_maps:
            self.block.add_op(mem.StoreOp(tensor, self.buffers[self.plan.ddr_maps[number].name]))

    def host(self, segment: HostSegment) -> None:
        """Work between invocations."""
        self.segments = None
        op = self.maps.host_ops[segment.step.name]
        if isinstance(op, MoveOp):
            self.mover.move(op, segment.step.name, self.tensor)
            return
        self.mover.invocation = None
        assert isinstance(op, HostOp), "host steps come from bsr.host"
        types: list[Attribute] = [result.type for result in op.outputs]
        inputs = [self.tensor(value) for value in op.inputs]
        node, operator, reason = op.node.data, op.operator.data, op.reason.data
        host = mem.HostOp(inputs, op.model, node, operator, reason, types)
        host.location = op.location
        self.block.add_op(host)
        for old, new in zip(op.outputs, host.outputs, strict=True):
            self.values[old] = new
            self.store(old, new)


def _final_buffer(segment: Segment, plan: ProgramPlan) -> MapBuffer:
    """Where a segment's whole map is when it has ended: in the MemTiles, or in DDR if parts of it were made apart."""
    made = segment.bands[-1].outputs[-1].number
    launches = [each for band in segment.bands for each in band.launches if each.output.number == made]
    output = launches[0].output
    scattered = any(planned.launch.rings is not None for planned in launches) and output.slices is None
    apart = scattered or any(planned.output != output for planned in launches)
    return plan.ddr_maps[output.number] if apart else output


@dataclass(frozen=True)
class ConvertBsrToMemPass(ModulePass):
    """Place and map every op of `@main` onto a chip."""

    name = "convert-bsr-to-mem"

    target: str = "npu1"
    """Name of the chip."""
    verify: bool = False
    """Check the plan word by word, which takes longer than making it."""

    overrides: tuple[str, ...] = ()
    """Numbers of the chip to replace, as `"memtile_bytes=65536"`: what would a smaller or larger array do?"""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        chip = chip_named(self.target).with_overrides(parse_overrides(self.overrides))
        function = next((f for f in op.body.ops if isinstance(f, func.FuncOp) and f.sym_name.data == "main"), None)
        if function is None:
            raise InputError("convert-bsr-to-mem needs a function @main; this module has none")
        maps = build_network(function)
        network, plan = plan_with_steps(maps.network(), chip)
        if self.verify:
            faults = plan_faults(network, plan, chip)
            if faults:
                raise BlockloomError(f"the plan is wrong in {len(faults)} places: {'; '.join(faults[:8])}")
        for number, copied in enumerate(copied_maps(plan.network, len(maps.shapes)), len(maps.shapes)):
            maps.new_map(plan.network.maps[number], maps.encodings[copied], "")
        writer = _Writer(maps, plan, chip)
        body = function.body.block
        for argument in body.args:
            writer.values[argument] = writer.block.insert_arg(argument.type, len(writer.block.args))
        for buffer in writer.plan.buffers:
            writer.declare(buffer)
        writer.declare_rings()
        for argument in body.args:
            writer.store(argument, writer.values[argument])
        last = {steps[-1] for steps in plan.network.writers().values()}
        for index, segment in enumerate(plan.segments):
            if isinstance(segment, HostSegment):
                writer.host(segment)
            else:
                configuration = plan.network.configuration(index)
                writer.segment(segment, _final_buffer(segment, plan), index in last, configuration)
        last = body.last_op
        assert isinstance(last, func.ReturnOp), "a function ends with func.return"
        writer.block.add_op(func.ReturnOp(*[writer.tensor(value) for value in last.operands]))
        function.body.detach_block(body)
        for old in reversed(list(body.ops)):
            old.detach()
            old.drop_all_references()
        function.body.add_block(writer.block)
        op.attributes[CHIP] = chip_attr(chip)
        op.attributes[PARAMETERS] = IntegerAttr(writer.plan.parameters_address, i64)
