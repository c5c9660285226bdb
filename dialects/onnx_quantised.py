"""
The quantised operators that ONNX Runtime's quantiser writes into a domain of its own, and that have a standard form.

Each computes what a standard operator between Dequantize and QuantizeLinear computes, with the scales among its inputs.
"""

MICROSOFT = "com.microsoft"

MICROSOFT_OPERATORS = frozenset(
    {
        "DequantizeLinear",
        "QGemm",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QuantizeLinear",
    }
)
