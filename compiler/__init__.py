"""Blockloom: from ONNX networks with block-sparse int8 weights to AI Engine arrays."""
