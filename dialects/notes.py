"""Names of the attributes that our levels leave on modules and operations, beside those of the dialects themselves."""

SEGMENT = "blockloom.segment"
"""On an operation of a runtime sequence: the layer it belongs to."""

ITERATION = "blockloom.iteration"
"""On a descriptor whose `dimensions` are all data: (size, stride) of its iteration, `array<i64: …>`."""

FIRST_RUN = "blockloom.first_run"
"""On a descriptor with an iteration: the run of a turn with which it begins, `i32`; 0 where it is not said."""

RUNS = "blockloom.runs"
"""On a start: how often the task runs this time, `i32`, where its repeat count says another number."""

ARGUMENTS = "blockloom.arguments"
"""On the module: what lies where in the arguments of the runtime sequences."""

PARAMETERS = "mem.parameters"
"""On the module: byte address of the parameter blocks in every MemTile."""
WEIGHT_STREAM = "(weights)"
"""Instead of a segment: what feeds the weights of all segments."""
