"""Matrix products of rows and of two computed stacks: on the array at every level, with the numbers of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies_graphs import GraphBuilder, Tensor
from strategies_scaled import GeneralBuilder

from compiler.checking import check_levels
from compiler.onnxio.importer import import_model
from compiler.pipelines import Pipeline
from dialects.bsr import HostOp, MatMulOp, TransposeOp


def products_after(
    model: onnx.ModelProto, inputs: dict[str, np.ndarray], until: str = "bsr"
) -> tuple[list[MatMulOp], list[str]]:
    """
    The products that the array computes, and operators of the host but for the boundary, after checking that every
    level gives the numbers of ONNX Runtime.
    """
    modules = Pipeline.default(target="mesh-2x2", until=until).run(import_model(model))
    for comparison in check_levels(modules, inputs, 0):
        assert comparison.holds, str(comparison)
    ops = list(modules["bsr"].walk())
    assert not any(isinstance(op, TransposeOp) for op in ops)
    host = [name for op in ops if isinstance(op, HostOp) for name in op.operator.data.split(", ")]
    computing = [name for name in host if name not in ("QuantizeLinear", "DequantizeLinear")]
    return [op for op in ops if isinstance(op, MatMulOp)], computing


def moved(builder: GraphBuilder, x: Tensor, operator: str, shape: tuple[int, ...], **how: object) -> Tensor:
    """A Reshape or Transpose between pairs of the same scale, as ONNX Runtime's quantiser writes it."""
    inputs = [x.name]
    if operator == "Reshape":
        inputs.append(builder.constant("shape", np.array(shape, np.int64)))
    return builder.quantise(builder.node(operator, inputs, **how), shape, x.position)


def dense(builder: GraphBuilder, x: Tensor, outputs: int) -> Tensor:
    """Rows times constant weights."""
    weights = builder.random.integers(-128, 128, (x.shape[-1], outputs)).astype(np.int8)
    name = builder.node("MatMul", [x.name, builder.weight(weights, 7)])
    return builder.quantise(name, (*x.shape[:-1], outputs), x.position - 1)


def product(builder: GraphBuilder, a: Tensor, b: Tensor, position: int) -> Tensor:
    """Two stacks of matrices, multiplied one by one."""
    shape = (*a.shape[:-1], b.shape[-1])
    return builder.quantise(builder.node("MatMul", [a.name, b.name]), shape, position)


def in_heads(builder: GraphBuilder, x: Tensor, heads: int, order: tuple[int, int, int, int]) -> Tensor:
    """1 x tokens x features as 1 x heads x tokens x features of each, or with the last two the other way round."""
    _, tokens, features = x.shape
    split = moved(builder, x, "Reshape", (1, tokens, heads, features // heads))
    shape = tuple(split.shape[axis] for axis in order)
    return moved(builder, split, "Transpose", shape, perm=list(order))


def attention(builder: GraphBuilder, heads: int, tokens: int, features: int, *, fused: bool) -> Tensor:
    """Q·Kᵀ and P·V of tokens, head by head, without a softmax in between, and a dense layer on what they give."""
    x = builder.input((1, tokens, features), 4)
    if fused:
        whole = dense(builder, x, 3 * features)
        parts = builder.constant("sizes", np.array([features] * 3, np.int64))
        name = builder.fresh("split")
        results = [f"{name}_{part}" for part in "qkv"]
        builder.nodes.append(onnx.helper.make_node("Split", [whole.name, parts], results, name=name, axis=2))
        query, key, value = (builder.quantise(each, (1, tokens, features), whole.position) for each in results)
    else:
        query, key, value = (dense(builder, x, features) for _ in range(3))
    turned = in_heads(builder, key, heads, (0, 2, 3, 1))
    scores = product(builder, in_heads(builder, query, heads, (0, 2, 1, 3)), turned, -3)
    mixed = product(builder, scores, in_heads(builder, value, heads, (0, 2, 1, 3)), -8)
    back = moved(builder, mixed, "Transpose", (1, tokens, heads, features // heads), perm=[0, 2, 1, 3])
    return dense(builder, moved(builder, back, "Reshape", (1, tokens, features)), features)


@pytest.mark.parametrize("kind", [GraphBuilder, GeneralBuilder], ids=["powers of two", "general scales"])
@pytest.mark.parametrize("fused", [False, True], ids=["three layers", "one layer split"])
@pytest.mark.parametrize(("heads", "tokens", "features"), [(1, 10, 16), (2, 16, 32), (3, 24, 24), (2, 13, 16)])
def test_attention_runs_on_the_array_without_moving_anything(
    heads: int, tokens: int, features: int, fused: bool, kind: type[GraphBuilder]
) -> None:
    builder = kind(heads)
    model = builder.model(attention(builder, heads, tokens, features, fused=fused))
    found, host = products_after(model, builder.feed(), "aie")
    # heads that are no whole blocks are multiplied one by one
    together, times = (1, heads) if tokens % 8 else (heads, 1)
    assert [(op.heads, op.transposed) for op in found] == [(together, True)] * times + [(together, False)] * times
    # the tokens as they come, and as they leave
    assert host == ["Transpose", "Transpose"]


@given(
    stack=st.sampled_from(((1,), (1, 1), (1, 2), (2,), ())),
    sizes=st.tuples(*[st.one_of(st.sampled_from((8, 16)), st.integers(1, 20))] * 3),
    turned=st.sampled_from(("left", "right", "none")),
    builder=st.builds(GraphBuilder) | st.builds(GeneralBuilder, st.integers(0, 255)),
)
def test_any_two_stacks(
    stack: tuple[int, ...], sizes: tuple[int, int, int], turned: str, builder: GraphBuilder
) -> None:
    rows, terms, columns = sizes
    swapped = [*range(len(stack)), len(stack) + 1, len(stack)]
    operands: list[Tensor] = []
    for side, shape in (("left", (rows, terms)), ("right", (terms, columns))):
        if side == turned:
            x = builder.input((*stack, *shape[::-1]), 4)
            operands.append(moved(builder, x, "Transpose", (*stack, *shape), perm=swapped))
        else:
            operands.append(builder.input((*stack, *shape), 4))
    model = builder.model(product(builder, *operands, 0))
    found, host = products_after(model, builder.feed())
    # what a core needs are sums of whole blocks, and only of transposed matrices
    assert host.count("MatMul") == (not found)
    assert found or terms % 8


@given(
    stack=st.sampled_from(((1,), (2, 3), ())),
    rows=st.integers(1, 20),
    terms=st.integers(1, 30),
    outputs=st.integers(1, 20),
)
def test_constant_weights_on_rows(stack: tuple[int, ...], rows: int, terms: int, outputs: int) -> None:
    builder = GraphBuilder()
    model = builder.model(dense(builder, builder.input((*stack, rows, terms), 4), outputs))
    found, host = products_after(model, builder.feed())
    assert not found
    assert "MatMul" not in host


@settings(max_examples=8)
@given(sizes=st.tuples(*[st.integers(1, 40)] * 3), heads=st.sampled_from((1, 1, 2)), seed=st.integers(0, 255))
def test_zero_points_of_both_operands_agree_down_to_the_array(
    sizes: tuple[int, int, int], heads: int, seed: int
) -> None:
    rows, terms, columns = sizes
    builder = GeneralBuilder(seed)
    operands = [builder.input((1, heads, *shape), 4) for shape in ((rows, terms), (terms, columns))]
    found, host = products_after(builder.model(product(builder, *operands, 0)), builder.feed(), "aie")
    assert (len(found), "MatMul" in host) == (heads if terms % 8 or columns % 8 else 1, False)


def test_a_scale_too_coarse_for_a_core_is_named() -> None:
    builder = GeneralBuilder()
    model = builder.model(product(builder, builder.input((1, 4, 8), 0), builder.input((1, 8, 8), 0), 0))
    modules = Pipeline.default(target="mesh-2x2", until="bsr").run(import_model(model))
    host = [op for op in modules["bsr"].walk() if isinstance(op, HostOp) and op.operator.data == "MatMul"]
    assert [op.reason.data for op in host] == ["a sum is multiplied by 0.8, and a core multiplies by less than 1/2"]


@pytest.mark.parametrize("kind", [GraphBuilder, GeneralBuilder], ids=["powers of two", "general scales"])
@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Max", "Min"])
def test_sums_of_tokens_stay_between_the_layers(operator: str, kind: type[GraphBuilder]) -> None:
    builder = kind(1)
    x = builder.input((1, 12, 16), 4)
    both = builder.combine(operator, [dense(builder, x, 24), dense(builder, x, 24)], 3, relu=True)
    bias = builder.weight(builder.random.integers(-128, 128, 24).astype(np.int8), 5)
    shifted = builder.quantise(builder.node(operator, [both.name, bias]), both.shape, 3)
    model = builder.model(dense(builder, shifted, 8))
    # the tokens as they come, and as they leave
    assert products_after(model, builder.feed(), "aie") == ([], ["Transpose", "Transpose"])


@pytest.mark.parametrize("kind", [GraphBuilder, GeneralBuilder], ids=["powers of two", "general scales"])
def test_a_tensor_of_the_host_is_added_to_more_tokens_than_one_pixel_holds(kind: type[GraphBuilder]) -> None:
    builder = kind(1)
    x = builder.input((1, 98, 96), 4)
    total = builder.combine("Add", [x, dense(builder, x, 96)], 2)
    assert products_after(builder.model(total), builder.feed()) == ([], ["Transpose", "Transpose"])


@pytest.mark.parametrize("kind", [GraphBuilder, GeneralBuilder], ids=["powers of two", "general scales"])
def test_the_mean_of_tokens_needs_no_transpose(kind: type[GraphBuilder]) -> None:
    builder = kind(1)
    tokens = dense(builder, builder.input((1, 16, 12), 4), 20)
    axes = builder.constant("axes", np.array([1]))
    mean = builder.quantise(builder.node("ReduceMean", [tokens.name, axes], keepdims=0), (1, 20), 4)
    assert products_after(builder.model(mean), builder.feed(), "aie") == ([], ["Transpose"])


def test_stacks_that_repeat_stay_on_the_host() -> None:
    builder = GraphBuilder()
    model = builder.model(product(builder, builder.input((1, 3, 4, 8), 4), builder.input((1, 8, 8), 4), 0))
    found, host = products_after(model, builder.feed())
    assert (found, host) == ([], ["MatMul"])
