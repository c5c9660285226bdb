"""
ResNet-50 on 4x4 cores, three times: as published, with the published model's defect mended, and as we estimate it.

The three columns are different models and say different things; they stand side by side to be told apart.

    published   the published formulas on the published tiles: computing counts input tiles, never output channels
    corrected   the same tiles and transfers, with the layers' own products spread evenly over the cores
    ours        our mapping on npu1, from the cycles of our kernels: start-up, locks and waiting included, as simulated

The first two are worked out again from the published logs, layer by layer, which lie beside the project and not in it.
"""

from collections import defaultdict
from pathlib import Path

from compiler import compile_model
from compiler.estimate.published import Computing, layer_seconds
from compiler.estimate.published_log import read_log

LOG = Path(__file__).resolve().parents[2] / "shared" / "reference" / "published-estimates.csv.gz"
PUBLISHED_MILLISECONDS = {"dense": 10.773, "half": 7.065}

columns: defaultdict[tuple[str, str], float] = defaultdict(float)
if LOG.exists():
    for line in read_log(LOG):
        if (line.network, line.array) == ("ResNet-50", 4):
            mode = "half" if line.sparse else "dense"
            for name, computing in (("published", Computing.PUBLISHED), ("corrected", Computing.TRUE)):
                seconds = line.moved if line.layer is None else layer_seconds(line.layer, computing)
                columns[mode, name] += 1000 * seconds
else:
    print(f"without {LOG.name} beside the project there are no published numbers to work out")

for mode, sparsity in (("dense", 0.0), ("half", 0.5)):
    estimate = compile_model("zoo:resnet50", target="npu1", sparsity=sparsity, until="mem").estimate()
    columns[mode, "ours"] = estimate.array_cycles / 1e6

names = [name for name in ("published", "corrected", "ours") if ("dense", name) in columns]
print("ResNet-50 on 4x4 cores at 1 GHz, ms   " + "".join(f"{name:>12}" for name in names))
for mode, text in (("dense", "all blocks"), ("half", "half of the 8x8 blocks")):
    print(f"{text:<38}" + "".join(f"{columns[mode, name]:12.3f}" for name in names))

assert columns["half", "ours"] < columns["dense", "ours"]
if LOG.exists():
    assert {mode: round(columns[mode, "published"], 3) for mode in ("dense", "half")} == PUBLISHED_MILLISECONDS
