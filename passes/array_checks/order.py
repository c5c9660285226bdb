"""The order of a sequence: queues, descriptors and tokens, against what the controller knows to have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xdsl.ir import Operation

from passes.array_checks.fault import Found, Rule
from passes.array_checks.progress import Progress, key_of
from passes.array_program import Place, Program, Sequence, Step, Task

Visitor = Callable[[Progress, Step], str | None]


def _over_steps(program: Program, sequence: Sequence, before: Visitor) -> Iterator[Found]:
    """Go through a sequence; what `before` finds wrong with a step, and then what the step does."""
    progress = Progress(program)
    for step in sequence.steps:
        found = before(progress, step)
        if found is not None:
            yield where_of(step), found
        if step.what == "start":
            progress.start(step.task)
        elif step.what == "await":
            progress.wait(step.task)


def where_of(step: Step) -> str:
    """For messages: the channel of a step, and the layer that it belongs to."""
    segment = f" of segment '{step.segment}'" if step.segment else ""
    return f"{step.task.where}{segment}"


def queue_is_not_full(program: Program) -> Iterator[Found]:
    """A channel's queue holds four tasks, or as many as the chip says: a start finds fewer that may not have ended."""

    def full(progress: Progress, step: Step) -> str | None:
        if step.what != "start":
            return None
        waiting = len(progress.channel(key_of(step.task)).running())
        depth = program.chip.queue_depth
        return None if waiting < depth else f"{waiting} tasks may still be queued, {depth} have room; one more is lost"

    for sequence in program.sequences:
        yield from _over_steps(program, sequence, full)


def descriptor_is_not_rewritten_in_use(program: Program) -> Iterator[Found]:
    """A descriptor is written again only when all tasks that use it are known to have ended."""
    for sequence in program.sequences:
        holders: dict[tuple[Place, int], Task] = {}

        def in_use(progress: Progress, step: Step, holders: dict[tuple[Place, int], Task] = holders) -> str | None:
            if step.what != "configure":
                return None
            found: str | None = None
            for descriptor in step.task.chain:
                if descriptor.number is None:
                    continue
                holder = holders.get((step.task.place, descriptor.number))
                holders[step.task.place, descriptor.number] = step.task
                under_way = [] if holder is None else progress.channel(key_of(holder)).running()
                if holder is not None and any(task.op is holder.op for task in under_way):
                    user = f"{holder.direction.name} {holder.channel}"
                    found = f"descriptor {descriptor.number} is written while {user} may use it"
            return found

        yield from _over_steps(program, sequence, in_use)


def task_is_started_as_written(program: Program) -> Iterator[Found]:
    """A task is started while its descriptors still hold it; the tile's numbers may have been given to another."""
    for sequence in program.sequences:
        holders: dict[tuple[Place, int | None], Operation] = {}
        for step in sequence.steps:
            for descriptor in step.task.chain:
                place = (step.task.place, descriptor.number)
                if step.what == "configure":
                    holders[place] = step.task.op
                elif step.what == "start" and holders.get(place) is not step.task.op:
                    yield (
                        where_of(step),
                        f"it is started after its descriptor {descriptor.number} was written for another task",
                    )


def task_is_started(program: Program) -> Iterator[Found]:
    """A task that is configured is started."""
    for sequence in program.sequences:
        started = {step.task.op for step in sequence.steps if step.what == "start"}
        for step in sequence.steps:
            if step.what == "configure" and step.task.op not in started:
                yield where_of(step), "a task is configured and never started"


def token_comes_before_it_is_awaited(program: Program) -> Iterator[Found]:
    """What is awaited issues a token and has been started, once for each time it is awaited."""

    def early(progress: Progress, step: Step) -> str | None:
        if step.what != "await":
            return None
        if not step.task.token:
            return "it is awaited and issues no token"
        channel = progress.channel(key_of(step.task))
        issued, awaited = len(channel.tokens), channel.awaited
        return None if awaited < issued else f"await number {awaited + 1}, but {issued} tokens were asked for before it"

    for sequence in program.sequences:
        yield from _over_steps(program, sequence, early)


def everything_has_ended(program: Program) -> Iterator[Found]:
    """At the end of a sequence every token was awaited, and all that was started is known to have ended."""
    for sequence in program.sequences:
        progress = Progress(program)
        for step in sequence.steps:
            if step.what == "start":
                progress.start(step.task)
            elif step.what == "await":
                progress.wait(step.task)
        for channel in progress.channels.values():
            if channel.awaited < len(channel.tokens):
                yield channel.tasks[-1].where, f"{len(channel.tokens)} tokens are issued, {channel.awaited} are awaited"
            if channel.running():
                count, started = len(channel.running()), len(channel.tasks)
                yield (
                    channel.tasks[-1].where,
                    f"{count} of {started} tasks may still run when @{sequence.name} ends: nothing waits for them",
                )


ORDER_RULES: tuple[Rule, ...] = (
    queue_is_not_full,
    descriptor_is_not_rewritten_in_use,
    task_is_started_as_written,
    task_is_started,
    token_comes_before_it_is_awaited,
    everything_has_ended,
)
