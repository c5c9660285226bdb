"""What a network wants to be given, what is drawn where nothing is, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from compiler.errors import InputError
from compiler.inputs import NetworkInput, network_inputs, read_inputs, seeded_inputs
from compiler.onnxio.importer import import_model

IMAGE = NetworkInput("image", (1, 3, 40, 40), np.dtype(np.int8))


def network_of(kind: int) -> tuple[NetworkInput, ...]:
    """The inputs of a network of one Identity on elements of a type of ONNX."""
    x, y = (helper.make_tensor_value_info(name, kind, [2, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [x], [y])
    return network_inputs(
        import_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    )


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8])
def test_drawn_values_depend_on_the_seed_and_the_name(kind: int) -> None:
    inputs = network_of(kind)
    (x,) = inputs
    assert (x.name, x.shape, x.dtype) == ("x", (2, 3), helper.tensor_dtype_to_np_dtype(kind))
    first, again, other = (seeded_inputs(inputs, seed)["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    renamed = seeded_inputs((NetworkInput("z", x.shape, x.dtype),), 1)["z"]
    assert (first != renamed).any()


def test_integers_are_drawn_from_their_whole_range() -> None:
    drawn = seeded_inputs((IMAGE,), 0)["image"]
    assert (drawn.dtype, drawn.min(), drawn.max()) == (np.int8, -128, 127)


def test_truth_values_are_not_drawn() -> None:
    with pytest.raises(InputError, match="input 'x' has elements of type bool; give its values with --input"):
        seeded_inputs(network_of(TensorProto.BOOL), 0)


def test_text_is_no_input() -> None:
    with pytest.raises(InputError, match=r"input 'x' has elements of type .*: no number"):
        network_of(TensorProto.STRING)


def test_a_file_is_read_if_it_is_what_the_network_wants(tmp_path: Path) -> None:
    values = np.arange(4800, dtype=np.int64).astype(np.int8).reshape(IMAGE.shape)
    path = tmp_path / "image.npy"
    np.save(path, values)
    np.testing.assert_array_equal(read_inputs({"image": path}, (IMAGE,))["image"], values)
    with pytest.raises(InputError, match=r"'imag'.*image"):
        read_inputs({"imag": path}, (IMAGE,))
    np.save(path, values[:, :1])
    with pytest.raises(InputError, match=r"holds int8\[1, 1, 40, 40\], input 'image' is int8\[1, 3, 40, 40\]"):
        read_inputs({"image": path}, (IMAGE,))
    path.write_text("no array")
    with pytest.raises(InputError, match=r"image\.npy' is not a \.npy file: "):
        read_inputs({"image": path}, (IMAGE,))
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"image\.npy' is not a \.npy file: "):
        read_inputs({"image": path}, (IMAGE,))
