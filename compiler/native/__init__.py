"""
A block-sparse network on the processor of this machine: the `bsr` level as machine code (`blockloom run --on host`).

`network` puts it together: `operations` says which code computes an operation, `conv`, `pools` and `pointwise` write
that code, `dot_products` knows the instructions, `layout` how maps lie, `entries` how weights do.
"""
