"""
One core or sixteen: the mapping changes, the answer does not.

The network is compiled for arrays of different shapes. Every one of them runs, with the order of everything that
hardware leaves open drawn from a seed, and gives the same probabilities bit for bit.
"""

from compiler import compile_model

answers: dict[str, bytes] = {}
for target in ("mesh-1x1", "mesh-2x2", "npu1"):
    compilation = compile_model("zoo:squeezenet@64", target=target, sparsity=0.5)
    outputs = compilation.run(level="aie", seed=7).outputs
    (probabilities,) = outputs.values()
    operations = sum(1 for _ in compilation.modules["aie"].walk())
    print(f"{target:<9} {operations:6} operations, class {int(probabilities.argmax())}, {probabilities.max():.9f}")
    answers[target] = probabilities.tobytes()

print(f"different answers: {len(set(answers.values()))}")
assert len(set(answers.values())) == 1
