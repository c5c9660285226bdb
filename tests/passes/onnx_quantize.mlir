// RUN: blockloom-opt %s -p 'onnx-quantize{samples=1}' --split-input-file | filecheck %s

// The pair stands behind Relu, not between it and the convolution; MaxPool keeps the position of what it reads;
// Softmax stays in float and reads the last pair.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x1x4x4xf32> {onnx.name = "x"}) -> (tensor<1x1x2x2xf32> {onnx.name = "y"}) {
    %w = onnx.Constant {value = dense<0.75> : tensor<1x1x1x1xf32>} : tensor<1x1x1x1xf32>
    %c = onnx.Conv(%x, %w) : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x4x4xf32>
    %r = onnx.Relu(%c) {onnx.outputs = ["r"]} : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
    %p = onnx.MaxPool(%r) {kernel_shape = array<i64: 2, 2>, strides = array<i64: 2, 2>} : (tensor<1x1x4x4xf32>) -> tensor<1x1x2x2xf32>
    %y = onnx.Softmax(%p) : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
    func.return %y : tensor<1x1x2x2xf32>
  }
}
// CHECK:      onnx.quantization = {method = "nonoverflow", calibration = "seeded samples, seed 0", tensors = 3 : i64
// CHECK:      [[W8:%.*]] = onnx.Constant {value = dense<96> : tensor<1x1x1x1xi8>
// CHECK-NEXT: [[XQ:%.*]] = onnx.QuantizeLinear(%x, {{.*}}) {quantize.position = [[XP:[0-9]+]] : i64
// CHECK-NEXT: [[XD:%.*]] = onnx.DequantizeLinear([[XQ]]
// CHECK-NEXT: [[WD:%.*]] = onnx.DequantizeLinear([[W8]], {{.*}}) {quantize.position = 7 : i64
// CHECK-NEXT: [[C:%.*]] = onnx.Conv([[XD]], [[WD]])
// CHECK-NEXT: [[R:%.*]] = onnx.Relu([[C]])
// CHECK-NEXT: [[RQ:%.*]] = onnx.QuantizeLinear([[R]], [[RS:%.*]], {{.*}}) {quantize.position = [[RP:[0-9]+]] : i64
// CHECK-SAME:   onnx.outputs = ["r/quantized"]
// CHECK-NEXT: [[RD:%.*]] = onnx.DequantizeLinear([[RQ]]
// CHECK-NEXT: [[P:%.*]] = onnx.MaxPool([[RD]])
// CHECK-NEXT: [[PQ:%.*]] = onnx.QuantizeLinear([[P]], [[RS]], {{.*}}) {quantize.position = [[RP]] : i64
// CHECK-NEXT: [[PD:%.*]] = onnx.DequantizeLinear([[PQ]], [[RS]]
// CHECK-NEXT: [[Y:%.*]] = onnx.Softmax([[PD]])
// CHECK-NEXT: func.return [[Y]]

// -----

// What is quantised already is left as it is.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
    %s = onnx.Constant {value = dense<0.3> : tensor<f32>} : tensor<f32>
    %q = onnx.QuantizeLinear(%x, %s) : (tensor<1x1x4x4xf32>, tensor<f32>) -> tensor<1x1x4x4xui8>
    %d = onnx.DequantizeLinear(%q, %s) : (tensor<1x1x4x4xui8>, tensor<f32>) -> tensor<1x1x4x4xf32>
    %r = onnx.AveragePool(%d) {kernel_shape = array<i64: 1, 1>} : (tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32>
    func.return %r : tensor<1x1x4x4xf32>
  }
}
// CHECK:      builtin.module attributes {onnx.opset = 21 : i64} {
// CHECK:      [[Q:%.*]] = onnx.QuantizeLinear(%x
// CHECK-NEXT: [[D:%.*]] = onnx.DequantizeLinear([[Q]]
// CHECK-NEXT: [[R:%.*]] = onnx.AveragePool([[D]])
// CHECK-NEXT: func.return [[R]]
