"""
Inception-v3 of "Rethinking the Inception Architecture for Computer Vision" (arXiv 1512.00567), batch norm folded.

Widths and kernel shapes are those of the published network of 23.8 M parameters: stem, three modules of 5x5/3x3
branches, a reduction, four of factorised 7x7, a reduction, two with expanded filter banks. No auxiliary head.
"""

from __future__ import annotations

import onnx

from compiler.frontend.layers import Layers, Map

NATIVE_SIZE = 299


def inception_v3(title: str, size: int, opset: int, seed: int | None) -> onnx.ModelProto:
    """The whole network with its classifier."""
    net = Layers(title, size, seed)
    x = _stem(net, net.input)
    for index, pool_channels in enumerate((32, 64, 64)):
        x = _module_a(net, x, pool_channels, f"mixed_5{'bcd'[index]}")
    x = _reduction_a(net, x, "mixed_6a")
    for index, channels in enumerate((128, 160, 160, 192)):
        x = _module_b(net, x, channels, f"mixed_6{'bcde'[index]}")
    x = _reduction_b(net, x, "mixed_7a")
    for letter in "bc":
        x = _module_c(net, x, f"mixed_7{letter}")
    x = net.global_average_pool(x, name="pool")
    x = net.linear(x, 1000, relu=False, name="fc")
    return net.model(net.softmax(x, name="probabilities"), opset)


def _stem(net: Layers, x: Map) -> Map:
    x = net.conv(x, 32, 3, stride=2, name="conv_1a")
    x = net.conv(x, 32, 3, name="conv_2a")
    x = net.conv(x, 64, 3, padding=1, name="conv_2b")
    x = net.max_pool(x, 3, 2, name="pool_1")
    x = net.conv(x, 80, 1, name="conv_3b")
    x = net.conv(x, 192, 3, name="conv_4a")
    return net.max_pool(x, 3, 2, name="pool_2")


def _module_a(net: Layers, x: Map, pool_channels: int, name: str) -> Map:
    single = net.conv(x, 64, 1, name=f"{name}.b1x1")
    five = net.conv(x, 48, 1, name=f"{name}.b5x5_1")
    five = net.conv(five, 64, 5, padding=2, name=f"{name}.b5x5_2")
    double = net.conv(x, 64, 1, name=f"{name}.b3x3_1")
    double = net.conv(double, 96, 3, padding=1, name=f"{name}.b3x3_2")
    double = net.conv(double, 96, 3, padding=1, name=f"{name}.b3x3_3")
    pool = net.average_pool(x, 3, 1, name=f"{name}.average")
    pool = net.conv(pool, pool_channels, 1, name=f"{name}.pool")
    return net.concat([single, five, double, pool], name=name)


def _reduction_a(net: Layers, x: Map, name: str) -> Map:
    three = net.conv(x, 384, 3, stride=2, name=f"{name}.b3x3")
    double = net.conv(x, 64, 1, name=f"{name}.double_1")
    double = net.conv(double, 96, 3, padding=1, name=f"{name}.double_2")
    double = net.conv(double, 96, 3, stride=2, name=f"{name}.double_3")
    return net.concat([three, double, net.max_pool(x, 3, 2, name=f"{name}.pool")], name=name)


def _module_b(net: Layers, x: Map, channels: int, name: str) -> Map:
    row, column = (1, 7), (7, 1)
    row_padding, column_padding = (0, 3), (3, 0)
    single = net.conv(x, 192, 1, name=f"{name}.b1x1")
    seven = net.conv(x, channels, 1, name=f"{name}.b7x7_1")
    seven = net.conv(seven, channels, row, padding=row_padding, name=f"{name}.b7x7_2")
    seven = net.conv(seven, 192, column, padding=column_padding, name=f"{name}.b7x7_3")
    double = net.conv(x, channels, 1, name=f"{name}.double_1")
    double = net.conv(double, channels, column, padding=column_padding, name=f"{name}.double_2")
    double = net.conv(double, channels, row, padding=row_padding, name=f"{name}.double_3")
    double = net.conv(double, channels, column, padding=column_padding, name=f"{name}.double_4")
    double = net.conv(double, 192, row, padding=row_padding, name=f"{name}.double_5")
    pool = net.average_pool(x, 3, 1, name=f"{name}.average")
    pool = net.conv(pool, 192, 1, name=f"{name}.pool")
    return net.concat([single, seven, double, pool], name=name)


def _reduction_b(net: Layers, x: Map, name: str) -> Map:
    three = net.conv(x, 192, 1, name=f"{name}.b3x3_1")
    three = net.conv(three, 320, 3, stride=2, name=f"{name}.b3x3_2")
    seven = net.conv(x, 192, 1, name=f"{name}.b7x7_1")
    seven = net.conv(seven, 192, (1, 7), padding=(0, 3), name=f"{name}.b7x7_2")
    seven = net.conv(seven, 192, (7, 1), padding=(3, 0), name=f"{name}.b7x7_3")
    seven = net.conv(seven, 192, 3, stride=2, name=f"{name}.b7x7_4")
    return net.concat([three, seven, net.max_pool(x, 3, 2, name=f"{name}.pool")], name=name)


def _module_c(net: Layers, x: Map, name: str) -> Map:
    single = net.conv(x, 320, 1, name=f"{name}.b1x1")
    three = net.conv(x, 384, 1, name=f"{name}.b3x3_1")
    three = _split(net, three, f"{name}.b3x3_2")
    double = net.conv(x, 448, 1, name=f"{name}.double_1")
    double = net.conv(double, 384, 3, padding=1, name=f"{name}.double_2")
    double = _split(net, double, f"{name}.double_3")
    pool = net.average_pool(x, 3, 1, name=f"{name}.average")
    pool = net.conv(pool, 192, 1, name=f"{name}.pool")
    return net.concat([single, three, double, pool], name=name)


def _split(net: Layers, x: Map, name: str) -> Map:
    """The expanded filter bank: 1x3 and 3x1 side by side."""
    row = net.conv(x, 384, (1, 3), padding=(0, 1), name=f"{name}a")
    column = net.conv(x, 384, (3, 1), padding=(1, 0), name=f"{name}b")
    return net.concat([row, column], name=name)
