"""
Output channel blocks change places so that neighbours have about as many weights together as any others.

Before, with 9, 8, 2 and 1 blocks of Γ in the rows of %w, and its columns of %v in the same order:

    %y = bsr.conv2d(%x, %w)        %z = bsr.conv2d(%y, %v)

After, with rows of 9, 1, 8 and 2 blocks, and the columns of %v in that order:

    %y = bsr.conv2d(%x, %w')       %z = bsr.conv2d(%y, %v')

The array gives runs of output blocks to its cores, and all chunks of weights of a layer are as long as its fullest. So
rows of Γ that differ cost waiting and padding; in pairs of a full and an empty one they do not. Exact and free: only
blocks of 8 channels move, and all who read them know. A map that somebody else reads, an addition, a concatenation, the
host, stays in order, and so does one whose last block is not full.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.bsr import BLOCK, TENSOR_NAME, Conv2dOp, GemmOp, WeightsOp
from passes.array_layers import name_of

Order = npt.NDArray[np.int64]
Contraction = Conv2dOp | GemmOp


def paired(counts: npt.NDArray[np.int64]) -> Order:
    """The fullest, the emptiest, the next fullest, the next emptiest, and so on; of equals the first comes first."""
    falling = np.argsort(-counts, kind="stable")
    half = -(-len(falling) // 2)
    order = np.empty(len(falling), np.int64)
    order[::2], order[1::2] = falling[:half], falling[half:][::-1]
    return order


def permuted(weights: WeightsOp, rows: Order | None, columns: Order | None, key: str) -> WeightsOp:
    """The same weights with rows (output blocks) or columns (input blocks) of Γ in another order, as blob `key`."""
    gamma, bias = weights.gamma_mask(), weights.bias_values()
    numbers = np.cumsum(gamma.reshape(-1)).reshape(gamma.shape) - 1
    if rows is not None:
        gamma, numbers = gamma[rows], numbers[rows]
        bias = bias.reshape(-1, BLOCK)[rows].reshape(-1)
    if columns is not None:
        gamma, numbers = gamma[:, columns], numbers[:, columns]
    values = weights.block_values()[numbers[gamma]]
    return WeightsOp.from_blocks(gamma, values, bias, weights.shape, weights.position, key)


def _movable(op: Contraction) -> list[Contraction] | None:
    """The convolutions that read a result whose blocks may move: nobody else does, and all have their own weights."""
    # What is added comes in its own order
    if isinstance(op, Conv2dOp) and op.skip is not None:
        return None
    # The numbers of a general scale belong to channels, and a last block that is not full has to stay the last
    if op.is_scaled or op.weights_op().shape[0] % BLOCK:
        return None
    readers: list[Contraction] = []
    for use in op.result.uses:
        reader = use.operation
        if not isinstance(reader, Conv2dOp | GemmOp) or reader.input is not op.result or reader.is_scaled:
            return None
        if isinstance(reader, Conv2dOp) and reader.skip is op.result:
            return None
        readers.append(reader)
    alone = all(len(list(reader.weights.uses)) == 1 for reader in (op, *readers))
    return readers if alone and readers else None


def _replace(op: Contraction, rows: Order | None, columns: Order | None) -> None:
    old = op.weights_op()
    new = permuted(old, rows, columns, f"{old.key or name_of(op, 'weights')}.permuted")
    new.location = old.location
    Rewriter.insert_op(new, InsertPoint.before(old))
    old.result.replace_all_uses_with(new.result)
    old.detach()
    old.erase()


@dataclass(frozen=True)
class BsrPermuteChannelsPass(ModulePass):
    """Even out the weights of neighbouring output channel blocks. Changes no bit of what anybody else reads."""

    name = "bsr-permute-channels"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for part in list(op.walk()):
            if not isinstance(part, Conv2dOp | GemmOp) or (readers := _movable(part)) is None:
                continue
            counts = part.weights_op().gamma_mask().sum(axis=1)
            if counts.min() == counts.max():
                continue
            order = paired(counts)
            _replace(part, order, None)
            for reader in readers:
                _replace(reader, None, order)
            # the tensor of that name has its channels in another order
            part.attributes.pop(TENSOR_NAME, None)
