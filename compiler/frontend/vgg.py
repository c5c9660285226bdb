"""VGG-16, configuration D of "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv 1409.1556)."""

from __future__ import annotations

import onnx

from compiler.frontend.layers import Layers

NATIVE_SIZE = 224
_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(title: str, size: int, opset: int, seed: int | None, *, classifier: bool) -> onnx.ModelProto:
    """VGG-16 up to its last pool, or with its three fully connected layers."""
    net = Layers(title, size, seed)
    x = net.input
    for block, widths in enumerate(_BLOCKS, 1):
        for layer, channels in enumerate(widths, 1):
            x = net.conv(x, channels, 3, padding=1, name=f"conv{block}_{layer}")
        x = net.max_pool(x, 2, 2, name=f"pool{block}")
    if classifier:
        x = net.linear(x, 4096, relu=True, name="fc6")
        x = net.linear(x, 4096, relu=True, name="fc7")
        x = net.linear(x, 1000, relu=False, name="fc8")
        x = net.softmax(x, name="probabilities")
    return net.model(x, opset)
