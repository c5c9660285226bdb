// RUN: blockloom-opt %s -p onnx-fold-constants | filecheck %s

// Shape needs only the type; Reshape of a constant is computed; a quantised weight stays quantised.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x3x4x5xf32>) -> (tensor<2xi64>, tensor<2x1xf32>, tensor<2xf32>) {
    %s = onnx.Shape(%x) {start = 2 : i64, onnx.outputs = ["s"]} : (tensor<1x3x4x5xf32>) -> tensor<2xi64>
    %k = onnx.Constant {value = dense<[3.0, 4.0]> : tensor<2xf32>} : tensor<2xf32>
    %t = onnx.Constant {value = dense<[2, 1]> : tensor<2xi64>} : tensor<2xi64>
    %r = onnx.Reshape(%k, %t) {onnx.outputs = ["r"]} : (tensor<2xf32>, tensor<2xi64>) -> tensor<2x1xf32>
    %w = onnx.Constant {value = dense<[1, 2]> : tensor<2xi8>} : tensor<2xi8>
    %scale = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
    %d = onnx.DequantizeLinear(%w, %scale) : (tensor<2xi8>, tensor<f32>) -> tensor<2xf32>
    func.return %s, %r, %d : tensor<2xi64>, tensor<2x1xf32>, tensor<2xf32>
  }
}
// CHECK:      [[S:%.*]] = onnx.Constant {value = dense<[4, 5]> : tensor<2xi64>
// CHECK-NEXT: [[R:%.*]] = onnx.Constant {value = dense<{{\[\[3.*\], \[4.*\]\]}}> : tensor<2x1xf32>
// CHECK-NEXT: [[W:%.*]] = onnx.Constant {value = dense<[1, 2]> : tensor<2xi8>}
// CHECK-NEXT: [[A:%.*]] = onnx.Constant {value = dense<5.000000e-01> : tensor<f32>}
// CHECK-NEXT: [[D:%.*]] = onnx.DequantizeLinear([[W]], [[A]])
// CHECK-NEXT: func.return [[S]], [[R]], [[D]]
