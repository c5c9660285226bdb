"""
What pruning leaves: half of the 8x8 blocks of each layer, fewer where a layer is kept dense.

Γ is the mask of the blocks that hold anything. It is found in the weights, not declared, so the counts are those
of the network that runs. The first layer has 3 input channels and stays dense, and so does the classifier.
"""

from compiler import compile_model
from dialects.bsr import WeightsOp

compilation = compile_model("zoo:squeezenet@64", sparsity=0.5, until="bsr")
halved = 0
for op in compilation.modules["bsr"].walk():
    if isinstance(op, WeightsOp):
        gamma = op.gamma_mask()
        print(f"{int(gamma.sum()):5} of {gamma.size:5} blocks")
        halved += int(gamma.sum()) == gamma.size - gamma.size // 2

print(f"layers with exactly half of their blocks: {halved}")
assert halved == 24
