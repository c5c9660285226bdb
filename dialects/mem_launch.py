"""Launches of the `mem` level: one kernel on all cores, what each core reads and writes, and by what windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    i64,
)
from xdsl.ir import Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    BaseAttr,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, NoTerminator
from xdsl.utils.exceptions import VerifyException

from compiler.kernels.parameters import Kernel, Parameter
from compiler.transfers.window import Window
from dialects.mem_attributes import (
    BufferType,
    TokenType,
    WindowAttr,
    integers_attr,
    integers_of,
    named_integers_attr,
    named_integers_of,
    windows_attr,
    windows_of,
)
from dialects.mem_op import INTEGER, INTEGERS, MemOp
from dialects.mem_weights import RingOp

WINDOWS = ArrayAttr.constr(BaseAttr(WindowAttr))
PARAMETERS = {parameter.name.lower(): parameter for parameter in Parameter}


def verify_parameters(attribute: DictionaryAttr) -> None:
    """Only names that the parameter block has."""
    unknown = sorted(set(attribute.data) - set(PARAMETERS))
    if unknown:
        raise VerifyException(f"unknown parameters {unknown}; known: {sorted(PARAMETERS)}")


@irdl_op_definition
class CoreOp(MemOp):
    """
    One core's share of a launch: its parameters, the windows its input rows come from and its output rows go to.

        mem.core 0, 2 {parameters = {rows = 14 : i64, …}, reads = [[#mem.window<…>]], read_runs = array<i64: 4>,
                       writes = [#mem.window<…>], write_runs = array<i64: 4>, stream = 1 : i64}

    Each chain of `reads` runs its number of `read_runs`, one after the other; so does each window of `writes`.
    """

    name = "mem.core"

    column_attr = prop_def(INTEGER, prop_name="column")
    row_attr = prop_def(INTEGER, prop_name="row")
    parameters = prop_def(DictionaryAttr)
    reads_attr = prop_def(ArrayAttr.constr(WINDOWS), prop_name="reads")
    read_runs_attr = prop_def(INTEGERS, prop_name="read_runs")
    writes_attr = prop_def(WINDOWS, prop_name="writes")
    write_runs_attr = prop_def(INTEGERS, prop_name="write_runs")
    stream_attr = prop_def(INTEGER, prop_name="stream")

    assembly_format = "attr-dict"

    def __init__(
        self,
        column: int,
        row: int,
        parameters: Mapping[str, int],
        reads: Sequence[Sequence[Window]],
        read_runs: Sequence[int],
        writes: Sequence[Window],
        write_runs: Sequence[int],
        stream: int,
    ):
        super().__init__(
            properties={
                "column": IntegerAttr(column, i64),
                "row": IntegerAttr(row, i64),
                "parameters": named_integers_attr(parameters),
                "reads": ArrayAttr([windows_attr(chain) for chain in reads]),
                "read_runs": integers_attr(read_runs),
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
    def reads(self) -> tuple[tuple[tuple[Window, ...], int], ...]:
        """Input chains with their number of runs."""
        chains = [windows_of(chain) for chain in self.reads_attr.data]
        return tuple(zip(chains, integers_of(self.read_runs_attr), strict=True))

    @property
    def read_words(self) -> int:
        """Words of the whole input stream."""
        return sum(runs * sum(window.words for window in windows) for windows, runs in self.reads)

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
        if len(self.reads_attr.data) != len(integers_of(self.read_runs_attr)):
            raise VerifyException("every chain of reads needs its number of runs")
        if len(self.writes_attr.data) != len(integers_of(self.write_runs_attr)):
            raise VerifyException("every window of writes needs its number of runs")


@irdl_op_definition
class LaunchOp(MemOp):
    """
    Cores compute some rows of a layer. The region lists the cores that have work; all others stay idle.

    With `sent = array<i64: 7, 8>` the rows are of several rows of a map: of every 8 pixels the cores send the first 7.
    With `gathers`, every MemTile broadcasts channel blocks of its own to a row of cores, and gets all of the result.

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
    sent_attr = opt_prop_def(INTEGERS, prop_name="sent")
    gathers = opt_prop_def(UnitAttr)
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
        sent: tuple[int, int] | None = None,
        gathers: bool = False,
    ):
        super().__init__(
            operands=[list(inputs), output, weights, ring],
            properties={
                "kernel": StringAttr(kernel.symbol),
                "parameters": named_integers_attr(parameters),
                "sent": integers_attr(sent) if sent else None,
                "gathers": UnitAttr() if gathers else None,
            },
            regions=[cores],
            result_types=[TokenType()],
        )

    @property
    def kernel(self) -> Kernel:
        """What the cores run."""
        return Kernel[self.kernel_attr.data.upper()]

    @property
    def ring_op(self) -> RingOp:
        """The ring through which its weights come."""
        assert self.ring is not None, "a launch with weights has a ring"
        ring = self.ring.owner
        assert isinstance(ring, RingOp), "rings come from mem.ring"
        return ring

    @property
    def rings(self) -> bool:
        """Whether weights come to each core by itself."""
        return self.ring is not None and self.ring_op.cores > 0

    @property
    def deep(self) -> bool:
        """Whether its input is broadcast."""
        return self.rings or self.gathers is not None

    @property
    def cores(self) -> tuple[CoreOp, ...]:
        """Cores with work."""
        return tuple(cast(CoreOp, op) for op in self.body.block.ops)

    @property
    def sent(self) -> tuple[int, int]:
        """Of every so many pixels of an output row the first so many are sent: the latter, then the former."""
        width = self.common_parameters["width"]
        if self.sent_attr is None:
            return width, width
        first, pitch = integers_of(self.sent_attr)
        return first, pitch

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
        if self.gathers is not None and self.weights is not None:
            raise VerifyException("cores that gather a map have no weights: those would take the broadcast")
