// RUN: blockloom-opt %s -p onnx-fold-batch-norm --split-input-file | filecheck %s

// Scale 2 and shift 3 of the normalisation, then the product with 4, are in weight (1 -> 8) and bias (1 -> 20).
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x1x4x4xf32>) -> tensor<1x1x4x4xf32> {
    %w = onnx.Constant {value = dense<1.0> : tensor<1x1x1x1xf32>} : tensor<1x1x1x1xf32>
    %one = onnx.Constant {value = dense<1.0> : tensor<1xf32>} : tensor<1xf32>
    %two = onnx.Constant {value = dense<2.0> : tensor<1xf32>} : tensor<1xf32>
    %three = onnx.Constant {value = dense<3.0> : tensor<1xf32>} : tensor<1xf32>
    %zero = onnx.Constant {value = dense<0.0> : tensor<1xf32>} : tensor<1xf32>
    %four = onnx.Constant {value = dense<4.0> : tensor<1x1x1xf32>} : tensor<1x1x1xf32>
    %c = onnx.Conv(%x, %w, %one) {kernel_shape = array<i64: 1, 1>} : (tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
    %n = onnx.BatchNormalization(%c, %two, %three, %zero, %one) {epsilon = 0.0 : f32} : (tensor<1x1x4x4xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<1x1x4x4xf32>
    %y = onnx.Mul(%n, %four) {onnx.outputs = ["y"]} : (tensor<1x1x4x4xf32>, tensor<1x1x1xf32>) -> tensor<1x1x4x4xf32>
    func.return %y : tensor<1x1x4x4xf32>
  }
}
// CHECK:      func.func @main
// CHECK-NEXT:   [[W:%.*]] = onnx.Constant {value = dense<8.000000e+00> : tensor<1x1x1x1xf32>
// CHECK-NEXT:   [[B:%.*]] = onnx.Constant {value = dense<2.000000e+01> : tensor<1xf32>
// CHECK-NEXT:   [[Y:%.*]] = onnx.Conv(%x, [[W]], [[B]]) {kernel_shape = array<i64: 1, 1>, onnx.outputs = ["y"]}
// CHECK-NEXT:   func.return [[Y]]

// -----

// Nothing to fold into: a depth-wise convolution. A lone shift of the network's input stays an addition.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
    %k = onnx.Constant {value = dense<[[[[5.0]], [[6.0]]]]> : tensor<1x2x1x1xf32>} : tensor<1x2x1x1xf32>
    %p = onnx.Relu(%x) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
    %y = onnx.Mul(%k, %p) : (tensor<1x2x1x1xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
    %z = onnx.Add(%p, %k) : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32>
    %a = onnx.Add(%x, %k) : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32>
    func.return %y, %z, %a : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
  }
}
// CHECK:      [[P:%.*]] = onnx.Relu(%x)
// CHECK-NEXT: [[W:%.*]] = onnx.Constant {value = dense<[{{\[\[\[5.*\]\]\], \[\[\[6.*\]\]\]}}]> : tensor<2x1x1x1xf32>
// CHECK-NEXT: [[B:%.*]] = onnx.Constant {value = dense<0.000000e+00> : tensor<2xf32>
// CHECK-NEXT: [[Y:%.*]] = onnx.Conv([[P]], [[W]], [[B]]) {group = 2 : i64, kernel_shape = array<i64: 1, 1>}
// CHECK-NEXT: [[ONE:%.*]] = onnx.Constant {value = dense<1.000000e+00> : tensor<2x1x1x1xf32>
// CHECK-NEXT: [[S:%.*]] = onnx.Constant {value = dense<[5.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK-NEXT: [[Z:%.*]] = onnx.Conv([[P]], [[ONE]], [[S]]) {group = 2 : i64, kernel_shape = array<i64: 1, 1>}
// CHECK-NEXT: [[A:%.*]] = onnx.Add(%x, %k)
// CHECK-NEXT: func.return [[Y]], [[Z]], [[A]]
