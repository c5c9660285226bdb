"""
The `aie` dialect: an AI Engine array in upstream's words (mlir-aie, commit 1e400306).

Five files hold its parts and this one gathers them: `aie_attributes` (enumerations and descriptor shapes),
`aie_structure` (tiles, buffers, locks), `aie_program` (cores and controller), `aie_streams` (flows and cascades) and
`aie_dma` (descriptors).
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.aie_attributes import (
    UPSTREAM_DEVICES,
    BDDimLayoutArrayAttr,
    BDPadLayoutArrayAttr,
    CascadeDir,
    DMAChannelDir,
    LockAction,
    LockBlocking,
    ObjectFifoPort,
    PacketInfoAttr,
    WireBundle,
    device_attr,
    device_name,
    i32_attr,
    int_value,
)
from dialects.aie_dma import (
    DMABDOp,
    DMAOp,
    DMAStartOp,
    MemOp,
    MemTileDMAOp,
    NextBDOp,
    ShimDMAAllocationOp,
    ShimDMAOp,
)
from dialects.aie_program import CoreOp, RuntimeSequenceOp, UseLockOp
from dialects.aie_streams import (
    CascadeFlowOp,
    ConfigureCascadeOp,
    FlowOp,
    GetCascadeOp,
    PacketDestOp,
    PacketFlowOp,
    PacketSourceOp,
    PutCascadeOp,
)
from dialects.aie_structure import BufferOp, DeviceOp, EndOp, LockOp, TileOp

__all__ = [
    "UPSTREAM_DEVICES",
    "Aie",
    "BDDimLayoutArrayAttr",
    "BDPadLayoutArrayAttr",
    "BufferOp",
    "CascadeDir",
    "CascadeFlowOp",
    "ConfigureCascadeOp",
    "CoreOp",
    "DMABDOp",
    "DMAChannelDir",
    "DMAOp",
    "DMAStartOp",
    "DeviceOp",
    "EndOp",
    "FlowOp",
    "GetCascadeOp",
    "LockAction",
    "LockBlocking",
    "LockOp",
    "MemOp",
    "MemTileDMAOp",
    "NextBDOp",
    "ObjectFifoPort",
    "PacketDestOp",
    "PacketFlowOp",
    "PacketInfoAttr",
    "PacketSourceOp",
    "PutCascadeOp",
    "RuntimeSequenceOp",
    "ShimDMAAllocationOp",
    "ShimDMAOp",
    "TileOp",
    "UseLockOp",
    "WireBundle",
    "device_attr",
    "device_name",
    "i32_attr",
    "int_value",
]

Aie = Dialect(
    "aie",
    [
        BufferOp,
        CascadeFlowOp,
        ConfigureCascadeOp,
        CoreOp,
        DMABDOp,
        DMAOp,
        DMAStartOp,
        DeviceOp,
        EndOp,
        FlowOp,
        GetCascadeOp,
        LockOp,
        MemOp,
        MemTileDMAOp,
        NextBDOp,
        PacketDestOp,
        PacketFlowOp,
        PacketSourceOp,
        PutCascadeOp,
        RuntimeSequenceOp,
        ShimDMAAllocationOp,
        ShimDMAOp,
        TileOp,
        UseLockOp,
    ],
    [BDDimLayoutArrayAttr, BDPadLayoutArrayAttr, PacketInfoAttr],
)
