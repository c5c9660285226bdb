"""
One network, four levels, the same numbers.

Compiles SqueezeNet for small images and holds every level against the integer reference, and the reference against ONNX
Runtime. The number to check is the last one: 0 differences.
"""

from compiler import compile_model

compilation = compile_model("zoo:squeezenet@64", target="npu1")
differences = 0
for comparison in compilation.check():
    print(comparison)
    differences += comparison.differences
    assert comparison.holds

print(f"differences at all levels: {differences}")
assert differences == 0
