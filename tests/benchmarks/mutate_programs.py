"""
How much of the safety net catches what: `python tests/benchmarks/mutate_programs.py [-n 20] [--seeds 6] [TARGET …]`.

Valid programs of the array level are made wrong, one mistake at a time, and given to `aie-check` and then to the
adversarial interpreter under several schedules. The table says, for each kind of mistake, how many mutants there were,
how many `aie-check` refuses, how many fail only when they run (an error such as a race or a deadlock, or other
numbers), and how many do neither. Of those some change a place that this program never looks at: something absurd in
the same place does no harm either, so the mistake changes nothing ("idle"). The others survive and are listed.
The exit code is 1 if more than a hundredth of the mutants that change something survive.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from interpret.array_mutations import MUTATIONS, Mutation
from interpret.array_programs import LONG_ROWS, PARTIAL_ROWS, SHAPE, ArrayProgram, residual_program, tasks_of
from interpret.device_mutations import DEVICE_MUTATIONS, Change, DeviceMutation
from xdsl.dialects.builtin import ModuleOp

from compiler.errors import BlockloomError
from compiler.interpret.aie import interpret_aie
from passes.aie_check import check_array

TARGETS = {"mesh-1x1:core_memory_bytes=12288": SHAPE, "mesh-2x2": SHAPE, PARTIAL_ROWS: LONG_ROWS}
"""And the shapes of maps. In a core with less memory there are partial sums: of one row, or of several."""
REFUSED, FAILS, OTHER, IDLE, SURVIVES = "aie-check", "error", "other numbers", "idle", "survives"
TOLERATED = 0.01


@dataclass(frozen=True)
class Mutant:
    """A program with one mistake."""

    mistake: str
    change: Change
    program: ArrayProgram
    module: ModuleOp


def of_task(mutation: Mutation) -> DeviceMutation:
    """A mutation of a task that is drawn."""

    def change(module: ModuleOp, random: Random) -> Change | None:
        tasks = tasks_of(module)
        index = random.randrange(len(tasks))
        return Change(f"task {index} of {len(tasks)}") if mutation(tasks[index]) else None

    return change


def mutants(programs: Sequence[ArrayProgram], count: int) -> Iterator[Mutant]:
    """`count` of each kind from each program, fewer where a kind seldom applies; the same ones every time."""
    kinds = {mutation.__name__: of_task(mutation) for mutation in MUTATIONS}
    kinds |= {mutation.__name__: mutation for mutation in DEVICE_MUTATIONS}
    for name, mutation in kinds.items():
        for number, program in enumerate(programs):
            random = Random(f"{name} {number}")
            made = 0
            for _ in range(4 * count):
                module = program.module.clone()
                change = mutation(module, random)
                if change is not None and made < count:
                    made += 1
                    yield Mutant(name, change, program, module)


def caught(mutant: Mutant, seeds: int) -> str | None:
    """Who catches a mutant first, if anybody does."""
    try:
        if check_array(mutant.module):
            return REFUSED
    except BlockloomError:
        return REFUSED
    for seed in range(seeds):
        try:
            run = interpret_aie(mutant.module, mutant.program.inputs, seed=seed)
        except BlockloomError:
            return FAILS
        results = {**run.tensors, **run.outputs}
        if not all(np.array_equal(results[name], mutant.program.expected[name]) for name in results):
            return OTHER
    return None


def verdict(mutant: Mutant, seeds: int) -> str:
    """Who catches a mutant first, or why nobody does."""
    found = caught(mutant, seeds)
    if found is not None:
        return found
    if mutant.change.absurd is None:
        return SURVIVES
    mutant.change.absurd()
    return IDLE if caught(mutant, seeds) is None else SURVIVES


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("-n", type=int, default=20, help="mutants of each kind and target")
    parser.add_argument("--seeds", type=int, default=6, help="schedules that each mutant runs under")
    arguments = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    survivors: list[Mutant] = []
    programs = [residual_program(target, TARGETS.get(target, SHAPE)) for target in arguments.targets]
    for mutant in mutants(programs, arguments.n):
        found = verdict(mutant, arguments.seeds)
        table.setdefault(mutant.mistake, Counter())[found] += 1
        if found == SURVIVES:
            survivors.append(mutant)
    columns = (REFUSED, FAILS, OTHER, IDLE, SURVIVES)
    print(f"| mistake | mutants | {' | '.join(columns)} |\n|{'---|' * (2 + len(columns))}")
    for mistake, counts in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"| {mistake} | {counts.total()} | {' | '.join(str(counts[column]) for column in columns)} |")
    for mutant in survivors:
        print(f"survives: {mutant.mistake}, {mutant.change.site}")
    changed = sum(counts.total() - counts[IDLE] for counts in table.values())
    print(f"{changed - len(survivors)} of {changed} mutants that change something are caught")
    return int(len(survivors) > TOLERATED * changed)


if __name__ == "__main__":
    sys.exit(main())
