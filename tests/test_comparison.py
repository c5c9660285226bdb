"""Comparison is of bits, and finds the first difference in the order of the graph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compiler.comparison import compare, first_difference
from compiler.interpret.execution import Execution

INT8 = hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))


@given(INT8)
def test_a_tensor_equals_itself(array: np.ndarray) -> None:
    assert first_difference("t", array, array.copy()) is None


@given(INT8, st.data())
def test_one_changed_value_is_found_where_it_is(array: np.ndarray, data: st.DataObject) -> None:
    index = data.draw(st.tuples(*(st.integers(0, size - 1) for size in array.shape)))
    found = array.copy()
    found[index] ^= 1
    difference = first_difference("t", array, found)
    assert difference is not None
    assert (difference.index, difference.differing) == (index, 1)
    assert (difference.expected, difference.found) == (array[index], found[index])


def test_floats_may_differ_by_a_few_units_in_the_last_place() -> None:
    values = np.array([np.nan, 0.0, 3.0, -1e30, np.inf], np.float32)
    assert first_difference("t", values, values.copy()) is None
    unit = np.array([0, 0, np.spacing(np.float32(3)), 0, 0], np.float32)
    assert first_difference("t", values, values + 2 * unit) is None
    assert first_difference("t", values, values + 8 * unit) is not None
    for index, other in enumerate((0.0, 1e-20, np.nan, 1e30, -np.inf)):
        changed = values.copy()
        changed[index] = other
        assert first_difference("t", values, changed) is not None


def test_a_tensor_of_another_kind_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="is int8, expected int32"):
        first_difference("t", np.zeros(1, np.int32), np.zeros(1, np.int8))


def test_the_line_names_the_first_differing_tensor() -> None:
    zeros, ones = np.zeros((1, 2), np.int8), np.ones((1, 2), np.int8)
    expected = Execution({"y": zeros}, {"a": zeros, "b": zeros, "fused": zeros})
    found = Execution({"y": ones}, {"b": ones, "a": zeros})
    result = compare("mem", found, expected, seed=7, seconds=0.25)
    assert str(result) == (
        "mem          = reference: 1 outputs, 2 tensors, 6 values compared, 4 differences, seed 7, 0.2 s\n"
        "             first difference: 'b'[0, 0] is 1, expected 0 (2 of 2 values differ)"
    )
    same = compare("bsr", expected, expected, seed=7, seconds=0.0)
    assert (same.differences, same.tensors, same.as_json()["first"]) == (0, 3, None)
