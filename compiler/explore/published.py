"""
The times that the system this one follows has published ("Weight Block Sparsity", arXiv 2407.09453), for comparison.

Milliseconds at batch 1 by its own cost model, which counts computing differently from ours
(`compiler.estimate.published` says how): they stand beside our cycles in a column of their own, never mixed with
them. Its arrays are n×n cores with a 512 KiB MemTile for each column, at 1 GHz. Where it failed there is no number.
"""

from __future__ import annotations

SIZES = (2, 3, 4, 5, 6, 7, 8)
DENSE, HALF = 0.0, 0.5

_MS: dict[tuple[str, float], tuple[float | None, ...]] = {
    ("resnet50", DENSE): (24.923, 12.695, 10.773, None, 5.713, 4.206, 6.377),
    ("resnet50", HALF): (15.826, 8.661, 7.065, 4.303, 4.490, 3.212, 4.602),
    ("inception_v3", DENSE): (42.838, 23.866, 17.410, 9.691, 10.640, 8.728, 9.093),
    ("inception_v3", HALF): (24.405, 14.224, 10.125, None, 6.440, None, 5.666),
    ("vgg16", DENSE): (44.762, None, 13.710, None, None, 7.455, 9.203),
    ("vgg16", HALF): (26.086, 10.020, 8.852, 4.336, 5.770, 5.289, 6.502),
}
"""By size of the array. VGG-16 is without its fully connected layers there."""


def published_ms(model: str, target: str, sparsity: float) -> float | None:
    """The published time of a network of the zoo at full size on `mesh-NxN` or its equal, or None."""
    network = model.removeprefix("zoo:") if model.startswith("zoo:") else ""
    sizes = {f"mesh-{size}x{size}": index for index, size in enumerate(SIZES)} | {"npu1": SIZES.index(4)}
    if (network, sparsity) not in _MS or target not in sizes:
        return None
    return _MS[network, sparsity][sizes[target]]
