"""The device: tiles, memories, locks and the one routing plan, the kernels, and the program of every core."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects.builtin import MemRefType, i32
from xdsl.ir import Block, SSAValue

from compiler.errors import CapacityError
from compiler.hardware.chip import Chip
from compiler.hardware.routes import FIRST_CORE_ROW, MEMTILE_ROW, SHIM_ROW, flows
from compiler.kernels.bodies import kernel_functions
from compiler.kernels.bodies.core_program import core_program
from compiler.kernels.bodies.program_builder import CoreResources
from compiler.kernels.parameters import CORE_PARAMETER_WORDS, PARAMETER_SETS, Kernel
from compiler.protocol.tasks import Place, parameter_lock, place_name, ring_lock
from compiler.tiling.arena import WEIGHT_SLOTS, arena_words
from dialects.aie import (
    BufferOp,
    CoreOp,
    EndOp,
    FlowOp,
    LockOp,
    PacketDestOp,
    PacketFlowOp,
    PacketSourceOp,
    TileOp,
    WireBundle,
)
from passes.array_tasks import Handles

CORE_LOCKS = (
    "parameters_empty",
    "parameters_full",
    "input_empty",
    "input_full",
    "weights_empty",
    "weights_full",
    "output_empty",
    "output_full",
)
FIRST_PACKET_ID = 1


class DeviceWriter:
    """Appends the device's static parts to a block; `handles` names what the sequence refers to."""

    def __init__(self, chip: Chip, kernels: Iterable[Kernel], pages: int, own_pages: int):
        self.chip = chip
        self.pages = pages
        """Of the ring from which weights are broadcast."""
        self.own_pages = own_pages
        """Of each ring with weights for one core; 0 if there are none."""
        self.kernels = tuple(kernels)
        self.block = Block()
        self.handles = Handles({}, {}, {})

    def write(self) -> None:
        """Everything but the runtime sequences."""
        self.block.add_ops(kernel_functions(arena_words(self.chip), self.kernels))
        rows = [SHIM_ROW, MEMTILE_ROW, *range(FIRST_CORE_ROW, FIRST_CORE_ROW + self.chip.core_rows)]
        for column in range(self.chip.columns):
            for row in rows:
                tile = TileOp(column, row)
                self.block.add_op(tile)
                self.handles.tiles[column, row] = tile.result
        for place in self.handles.tiles:
            if place[1] == MEMTILE_ROW:
                self._memtile(place)
            elif place[1] != SHIM_ROW:
                self._core_memory(place)
        self._flows()
        for place in self.handles.tiles:
            if place[1] >= FIRST_CORE_ROW:
                self._core(place)

    def _buffer(self, what: str, place: Place, words: int, address: int) -> None:
        name = place_name(what, place)
        op = BufferOp(self.handles.tiles[place], MemRefType(i32, (words,)), sym_name=name, address=address)
        self.block.add_op(op)
        self.handles.buffers[name] = op.buffer

    def _locks(self, place: Place, names: tuple[str, ...], initial: dict[str, int], limit: int) -> None:
        if len(names) > limit:
            raise CapacityError(
                f"tile {place} has {limit} locks on '{self.chip.name}', the protocol takes {len(names)}: "
                f"{', '.join(names)}; a chip with {len(names)} would do"
            )
        for number, lock in enumerate(names):
            name = place_name(lock, place)
            op = LockOp(self.handles.tiles[place], number, init=initial.get(lock, 0), sym_name=name)
            self.block.add_op(op)
            self.handles.locks[name] = op.result

    def _memtile(self, place: Place) -> None:
        self._buffer("memtile", place, self.chip.memtile_words, 0)
        names = [parameter_lock(number, state) for number in range(PARAMETER_SETS) for state in ("empty", "full")]
        initial = {"weights_empty": self.pages, **dict.fromkeys(names[::2], self.chip.core_rows)}
        names += ["weights_empty", "weights_full"]
        for row in range(self.chip.core_rows if self.own_pages else 0):
            names += [ring_lock(row, "empty"), ring_lock(row, "full")]
            initial[ring_lock(row, "empty")] = self.own_pages
        self._locks(place, tuple(names), initial, self.chip.memtile_locks)

    def _core_memory(self, place: Place) -> None:
        start = self.chip.core_stack_bytes
        self._buffer("parameters", place, CORE_PARAMETER_WORDS, start)
        self._buffer("arena", place, arena_words(self.chip), start + 4 * CORE_PARAMETER_WORDS)
        # slots for data are minted by the core, launch by launch; those that never move are free from the start
        initial = {"parameters_empty": 1, "weights_empty": WEIGHT_SLOTS}
        self._locks(place, CORE_LOCKS, initial, self.chip.core_locks)

    def _flows(self) -> None:
        tiles = self.handles.tiles
        for (column, row, channel), (to_column, to_row, to_channel) in flows(self.chip):
            self.block.add_op(FlowOp(tiles[column, row], channel, tiles[to_column, to_row], to_channel))
        for column in range(self.chip.columns):
            flow = PacketFlowOp(FIRST_PACKET_ID, keep_pkt_header=True, priority_route=True)
            ends = [
                PacketSourceOp(tiles[column, MEMTILE_ROW], WireBundle.TileControl, 0),
                PacketDestOp(tiles[column, SHIM_ROW], WireBundle.South, 0),
            ]
            last = flow.ports.block.last_op
            assert isinstance(last, EndOp), "a packet flow ends with aie.end"
            flow.ports.block.insert_ops_before(ends, last)
            self.block.add_op(flow)

    def _core(self, place: Place) -> None:
        buffers, locks = self.handles.buffers, self.handles.locks

        def lock(name: str) -> SSAValue:
            return locks[place_name(name, place)]

        resources = CoreResources(
            buffers[place_name("parameters", place)],
            buffers[place_name("arena", place)],
            **{name: lock(name) for name in CORE_LOCKS},
        )
        body = core_program(resources, self.kernels)
        self.block.add_op(CoreOp(self.handles.tiles[place], body, stack_size=self.chip.core_stack_bytes))
