"""
Machine code for the processor that Blockloom itself runs on, through LLVM (the extra `jit`, which is llvmlite).

`writer` writes LLVM's text, `machine` compiles it. `body` lowers kernel bodies to it, and `kernels` calls them.
"""
