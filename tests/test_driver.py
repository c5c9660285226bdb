"""A host's steps around the array, with an array that knows the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from interpret.array_programs import residual_program

from compiler.driver import Driver, TransactionWords, Words
from compiler.errors import InputError
from compiler.hardware.transaction_words import Patch, decode
from compiler.transfers.layout import pack_map
from dialects import mem
from passes.array_transactions import transactions_of


def test_inputs_lie_where_the_array_reads_them_and_outputs_where_it_writes_them() -> None:
    program = residual_program("npu1_1col")
    driver = Driver.of(program.module)
    (store,) = [mem.map_of(op.target) for op in program.module.walk() if isinstance(op, mem.StoreOp)]
    (load,) = [mem.map_of(op.source) for op in program.module.walk() if isinstance(op, mem.LoadOp)]
    (given,) = program.inputs.values()
    runs: list[int] = []

    def run(device: str, words: TransactionWords, activations: Words, weights: Words) -> None:
        assert device == "array"
        assert decode(words) in driver.transactions.values()
        packed = pack_map(given[0])
        np.testing.assert_array_equal(activations[store.address // 4 :][: packed.size], packed)
        assert weights.size > 1
        answer = pack_map(program.expected["output0"][0])
        activations[load.address // 4 :][: answer.size] = answer
        runs.append(words.size)

    outputs = driver.run(program.inputs, run)
    np.testing.assert_array_equal(outputs["output0"], program.expected["output0"])
    assert runs, "the array ran"


def test_every_patch_lies_in_its_buffer_and_others_are_found() -> None:
    driver = Driver.of(residual_program("npu1").module)
    assert driver.patches_outside() == []
    patches = {part for each in driver.transactions.values() for part in each.instructions if isinstance(part, Patch)}
    assert {part.argument for part in patches} == {0, 1}
    small = replace(driver, weights=driver.weights[:1])
    assert {part.argument for part in small.patches_outside()} == {1}


def test_what_upstream_does_not_know_has_no_driver() -> None:
    with pytest.raises(InputError, match=r"device 'mesh_5x2' is hypothetical"):
        Driver.of(residual_program("mesh-5x2").module)


def test_a_sequence_of_tasks_is_no_transaction() -> None:
    with pytest.raises(InputError, match=r"holds aiex.dma_configure_task; lower it with aie-lower-tasks"):
        transactions_of(residual_program("npu1_1col").module)
