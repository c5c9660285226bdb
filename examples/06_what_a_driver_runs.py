"""
What a host hands to XRT: instruction words, an activations buffer, a weights buffer, and which sequence runs when.

This has NOT been run on hardware by us. What can be known without it is checked here: the words read back as the same
instructions, as many as the manifest counts, and every address that they patch lies in its buffer. To run the network,
make an xclbin of each device with upstream's tools (`blockloom-opt -p aie-lower-tasks,aie-keep-device`, then aiecc with
`--device-name`), named as the device, and

    python examples/06_what_a_driver_runs.py array.xclbin

There is one device, unless the kernels of the network are too many for one program of the cores: then the manifest
lists several configurations, and the host loads the one that a sequence belongs to before it runs it; or the array
does, by what `aie-configure-devices` adds. What passes from one to the next lies in the activations.
"""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from compiler import compile_model
from compiler.driver import Driver, TransactionWords, Words
from compiler.hardware.transaction_words import decode, encode

EXECUTE = 3
"""Opcode of the first argument of upstream's kernel "MLIR_AIE": run the instruction words that follow."""


def on_xrt(paths: list[str]) -> Callable[[str, TransactionWords, Words, Words], None]:
    """Runs sequences on device 0, whose array is configured by the xclbin of the sequence's own device."""
    xrt: Any = importlib.import_module("pyxrt")
    device = xrt.device(0)
    kernels: dict[str, Any] = {}
    for path in paths:
        xclbin = xrt.xclbin(path)
        device.register_xclbin(xclbin)
        context = xrt.hw_context(device, xclbin.get_uuid())
        kernels[Path(path).stem] = xrt.kernel(context, xclbin.get_kernels()[0].get_name())

    def buffer(kernel: Any, argument: int, words: Any, flags: Any) -> Any:
        made = xrt.bo(device, words.nbytes, flags, kernel.group_id(argument))
        made.write(np.ascontiguousarray(words).view(np.uint8), 0)
        made.sync(xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE)
        return made

    def run(name: str, words: TransactionWords, activations: Words, weights: Words) -> None:
        kernel = kernels[name]
        instructions = buffer(kernel, 1, words, xrt.bo.cacheable)
        maps = buffer(kernel, 3, activations, xrt.bo.host_only)
        constants = buffer(kernel, 4, weights, xrt.bo.host_only)
        kernel(EXECUTE, instructions, words.size, maps, constants).wait()
        maps.sync(xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE)
        activations[:] = maps.read(activations.nbytes, 0).view(np.int32)

    return run


compilation = compile_model("zoo:squeezenet@64", target="npu1")
driver = Driver.of(compilation.module("aie"))
counted = compilation.manifest()["controller"]
instructions = words = 0
for name, transaction in driver.transactions.items():
    binary = encode(transaction)
    assert decode(binary) == transaction
    instructions += len(transaction.instructions)
    words += binary.size
    print(
        f"@{driver.devices[name]}::@{name}: {len(transaction.instructions)} instructions in {4 * binary.size:,} bytes"
    )
print(f"activations {4 * driver.activation_words:,} bytes, weights {driver.weights.nbytes:,} bytes")
print(f"addresses outside of their buffers: {len(driver.patches_outside())}")
assert driver.patches_outside() == []
assert (instructions, words) == (counted["instructions"], counted["words"])

if len(sys.argv) > 1:
    inputs = compilation.inputs(seed=0)
    expected = compilation.run(level="aie").outputs
    for name, values in driver.run(inputs, on_xrt(sys.argv[1:])).items():
        print(f"{name}: {np.count_nonzero(values != expected[name])} numbers differ")
