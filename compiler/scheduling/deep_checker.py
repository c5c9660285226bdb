"""
What must be true of a DEEP launch beside what is true of all: its broadcasts end, and its rings turn as a whole.

A broadcast goes on when all who hear it have taken a row, so every core takes part and all take the same rows. Weights
come in pages, a page for each core of a channel in turn, so all cores receive as many; and the next launch begins with
the first page of its rings, so a launch uses whole turns.
"""

from __future__ import annotations

import numpy as np

from compiler.hardware.chip import Chip
from compiler.scheduling.launch_checker import ZERO, Numbers, WordNumbers
from compiler.scheduling.plan import PlannedLaunch
from compiler.tiling.launch import Launch
from compiler.tiling.planes import Flat


def broadcast_faults(launch: Launch, chip: Chip) -> list[str]:
    """Cores that would stop a broadcast, and MemTiles that would not get all of what cores gather for them."""
    faults: list[str] = []
    places = {(work.column, work.row) for work in launch.cores}
    everywhere = {(column, row) for column in range(chip.columns) for row in range(chip.core_rows)}
    if places != everywhere:
        faults.append(f"cores {sorted(everywhere - places)} hear a broadcast that they take no part in")
    for column in range(chip.columns):
        mine = [work for work in launch.cores if work.column == column]
        made = np.zeros((launch.layer.output.blocks, launch.layer.output.height), np.int64)
        for work in mine:
            made[slice(*work.blocks), slice(*work.output_rows)] += 1
        if launch.gathers and (made != 1).any():
            blocks, rows = sorted(work.blocks for work in mine), sorted(work.output_rows for work in mine)
            faults.append(f"column {column} gathers blocks {blocks} of rows {rows} of {made.shape}")
        listeners = [work for work in launch.cores if chip.source_column(work.column, work.row) == column]
        heard = {(work.input_rows, work.blocks if launch.gathers else None) for work in listeners}
        if len(heard) > 1:
            faults.append(f"cores take rows and blocks {sorted(heard, key=str)} of the broadcast of column {column}")
    return faults


def deep_faults(planned: PlannedLaunch, chip: Chip, previous: int) -> list[str]:
    """Faults of a DEEP launch's weights; `previous` is the band in which the step before begins."""
    launch, ring = planned.launch, planned.ring
    if launch.rings is None or ring is None:
        return ["weights of each core and rings for them come together"]
    faults: list[str] = []
    passes = {launch.output_chunks(work.blocks) * launch.input_chunks for work in launch.cores}
    rows = {work.input_rows for work in launch.cores}
    if len(passes) > 1 or len(rows) > 1:
        faults.append(f"cores take rows {sorted(rows)} of one broadcast in {sorted(passes)} passes")
    given = (ring.page_words, ring.pages, ring.cores)
    if given != (launch.rings.page_words, launch.rings.pages, chip.core_rows):
        faults.append(f"rings of {given} words, pages and cores; the launch has {launch.rings}")
    turn = launch.rings.page_words * launch.rings.pages
    for count in passes:
        if count * launch.chunk_words % turn:
            faults.append(f"{count} chunks of {launch.chunk_words} words are no whole turns of {turn} words")
    if ring.ahead and ring.live[0] > previous:
        faults.append(f"rings that are filled from band {previous} on live in {ring.live}")
    return faults


def flat_input_faults(launch: Launch, flat: Flat, number: int, stream: Numbers, numbers: WordNumbers) -> list[str]:
    """Where a map that arrives as one row is not what each tap of each pixel looks for."""
    layer, chunks, ends = flat.layer, launch.input_chunks, flat.starts[1:]
    width, passes = launch.fetch.width, stream.size // (launch.input_chunk * launch.fetch.width * 2)
    if stream.size != passes * launch.input_chunk * width * 2 or passes % chunks:
        return [f"{stream.size} words arrive for passes over {launch.input_chunk} blocks of {width} pixels"]
    parts = np.split(stream.reshape(passes, launch.input_chunk * width, 2), launch.input_chunk * np.array(ends), axis=1)
    planes = [part.reshape(passes, launch.input_chunk, -1, 2) for part in parts[:-1]]
    first, pitch = launch.sent or (layer.output.width, layer.output.width)
    if first != layer.output.width:
        return [f"{first} pixels of each row are sent, the map has {layer.output.width}"]
    pixels = np.arange(layer.output.width)
    faults: list[str] = []
    for row in range(layer.output.height):
        places = row * pitch + pixels
        for tap, (plane, distance) in enumerate(flat.taps):
            down, across = divmod(tap, layer.kernel_size[1])
            line = row * layer.strides[0] - layer.pads[0] + down * layer.dilations[0]
            columns = pixels * layer.strides[1] - layer.pads[1] + across * layer.dilations[1]
            for index in range(passes):
                blocks = index % chunks * launch.input_chunk + np.arange(launch.input_chunk)
                wanted = numbers.pixels(number, line, blocks, columns)
                if not 0 <= line < layer.input.height:
                    wanted = np.full_like(wanted, ZERO)
                looked = places + distance
                arrived = planes[plane][index]
                if looked[-1] >= arrived.shape[1] or not np.array_equal(arrived[:, looked], wanted):
                    faults.append(f"tap {tap} of output row {row} in pass {index} is not row {line} of map {number}")
    return faults
