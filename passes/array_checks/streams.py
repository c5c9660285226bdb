"""Streams: flows between DMA channels, packet flows, cascades, and how many streams a column has room for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from compiler.hardware.chip import Chip
from compiler.hardware.descriptor_words import TileKind
from compiler.hardware.routes import MEMTILE_ROW, SHIM_ROW, channels, kind_of
from dialects.aie import CascadeFlowOp, FlowOp, PacketDestOp, PacketSourceOp, WireBundle, int_value
from passes.array_checks.fault import Found, Rule
from passes.array_program import Place, Program

Port = tuple[Place, int, int]
"""Place, bundle and channel."""

CORE_CHANNELS = 2
SHIM_CHANNELS = 2
"""Each way (upstream's target model)."""

PACKET_IDS = 32
RESERVED_PACKETS = {15: "a shim's own tokens", **dict.fromkeys((26, 27, 29, 30, 31), "control")}
"""Upstream's control overlay takes these ids in every column."""

NORTH_STREAMS = 6
SOUTH_STREAMS = 4
"""Streams between two rows of a column (upstream's target model)."""


def channel_count(chip: Chip, place: Place) -> int:
    """DMA channels of a tile, each way. Meshes of more than four rows have MemTiles with two more than rows."""
    counts = {TileKind.CORE: CORE_CHANNELS, TileKind.SHIM: SHIM_CHANNELS, TileKind.MEMTILE: channels(chip).load + 1}
    return counts[kind_of(place)]


def ports(program: Program, flow: FlowOp) -> tuple[Port, Port]:
    """Source and destination of a flow."""
    source = (program.places[flow.source], int_value(flow.source_bundle), int_value(flow.source_channel))
    return source, (program.places[flow.dest], int_value(flow.dest_bundle), int_value(flow.dest_channel))


def port_name(port: Port) -> str:
    """For messages."""
    return f"tile {port[0]} {WireBundle(port[1]).name} {port[2]}"


def flow_ends_at_channels(program: Program) -> Iterator[Found]:
    """A flow's DMA channels exist in their tiles; upstream's router crashes on others."""
    for flow in program.flows:
        for port in ports(program, flow):
            count = channel_count(program.chip, port[0])
            if port[1] == WireBundle.DMA and not 0 <= port[2] < count:
                yield port_name(port), f"a {kind_of(port[0])} has DMA channels 0 to {count - 1} each way"


def destination_has_one_source(program: Program) -> Iterator[Found]:
    """One stream ends at a port; several flows from one port are a broadcast, several into one are not routable."""
    sources: dict[Port, list[Port]] = defaultdict(list)
    for flow in program.flows:
        source, destination = ports(program, flow)
        sources[destination].append(source)
    for destination, found in sources.items():
        if len(found) > 1:
            yield port_name(destination), f"{len(found)} flows end here: from {', '.join(map(port_name, found))}"


def column_has_room(program: Program) -> Iterator[Found]:
    """A column's streams between two rows fit its wires: 6 northward, 4 southward (more on hypothetical meshes)."""
    rows = program.chip.core_rows
    limits = {"north": max(NORTH_STREAMS, rows + 2), "south": max(SOUTH_STREAMS, rows)}
    crossing: dict[tuple[int, int, str], set[Port]] = defaultdict(set)
    for flow in program.flows:
        source, destination = ports(program, flow)
        column, row = source[0]
        edge = row if row <= MEMTILE_ROW else destination[0][1]
        if row < destination[0][1] and row <= MEMTILE_ROW:
            crossing[column, edge, "north"].add(source)
        elif row > destination[0][1] and destination[0][1] <= MEMTILE_ROW:
            crossing[destination[0][0], destination[0][1], "south"].add(source)
    for (column, row, side), streams in sorted(crossing.items()):
        if len(streams) > limits[side]:
            yield (
                f"column {column} between rows {row} and {row + 1}",
                f"{len(streams)} streams go {side}, there are wires for {limits[side]}",
            )


def packet_flow_has_an_id(program: Program) -> Iterator[Found]:
    """A packet flow has one source and an id from 0 to 31 that upstream does not use itself."""
    for flow in program.packet_flows:
        number = int_value(flow.ID)
        ends = list(flow.ports.block.ops)
        sources = sum(isinstance(op, PacketSourceOp) for op in ends)
        if not 0 <= number < PACKET_IDS:
            yield f"packet flow {number}", f"ids are 0 to {PACKET_IDS - 1}; the header has 5 bits"
        if number in RESERVED_PACKETS:
            yield f"packet flow {number}", f"this id is {RESERVED_PACKETS[number]}'s"
        if sources != 1 or not any(isinstance(op, PacketDestOp) for op in ends):
            yield f"packet flow {number}", f"it has {sources} sources; one source and a destination are the rule"


def core_sends_no_tokens(program: Program) -> Iterator[Found]:
    """No completion tokens from cores: the wires for them are taken, and upstream's router does not end."""
    for flow in program.packet_flows:
        for op in flow.ports.block.ops:
            if isinstance(op, PacketSourceOp) and int_value(op.bundle) == WireBundle.TileControl:
                place = program.places[op.tile]
                if kind_of(place) is TileKind.CORE:
                    yield (
                        f"tile {place}",
                        f"packet flow {int_value(flow.ID)} carries its tokens; MemTiles and shims have some",
                    )
    for task in program.tasks():
        if task.token and task.kind is TileKind.CORE:
            yield task.where, "a task of a core issues a token; MemTiles and shims have some"


def token_has_a_way(program: Program) -> Iterator[Found]:
    """A MemTile whose tasks issue tokens has one packet flow from its TileControl to the South port of a shim."""
    ways: Counter[Place] = Counter()
    for flow in program.packet_flows:
        ends = list(flow.ports.block.ops)
        to_shim = any(
            isinstance(op, PacketDestOp)
            and program.places[op.tile][1] == SHIM_ROW
            and int_value(op.bundle) == WireBundle.South
            for op in ends
        )
        for op in ends:
            if isinstance(op, PacketSourceOp) and int_value(op.bundle) == WireBundle.TileControl and to_shim:
                ways[program.places[op.tile]] += 1
    for place in sorted({t.place for t in program.tasks() if t.token and t.kind is TileKind.MEMTILE}):
        if ways[place] != 1:
            yield (
                f"tile {place}",
                f"its tasks issue tokens, and {ways[place]} packet flows lead from it to a shim, not 1",
            )


def cascade_goes_to_a_neighbour(program: Program) -> Iterator[Found]:
    """A cascade leads from a core to its southern or eastern neighbour, and each core sends and takes at most one."""
    ends: Counter[tuple[str, Place]] = Counter()
    for op in program.device.body.block.ops:
        if isinstance(op, CascadeFlowOp):
            source, target = program.places[op.source_tile], program.places[op.dest_tile]
            ends["sends", source] += 1
            ends["takes", target] += 1
            step = (target[0] - source[0], target[1] - source[1])
            if step not in ((0, -1), (1, 0)) or kind_of(target) is not TileKind.CORE:
                yield f"tile {source}", f"its cascade leads to tile {target}, which is no southern or eastern core"
    for (what, place), count in ends.items():
        if count > 1:
            yield f"tile {place}", f"it {what} {count} cascades, one is the rule"


STREAM_RULES: tuple[Rule, ...] = (
    flow_ends_at_channels,
    destination_has_one_source,
    column_has_room,
    packet_flow_has_an_id,
    core_sends_no_tokens,
    token_has_a_way,
    cascade_goes_to_a_neighbour,
)
