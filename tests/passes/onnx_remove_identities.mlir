// RUN: blockloom-opt %s -p onnx-remove-identities --split-input-file | filecheck %s

// Dropout and Identity pass their input on; a sum of three becomes two additions in order.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%a: tensor<1x8x4x4xf32>, %b: tensor<1x8x4x4xf32>, %c: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32> {
    %d, %mask = onnx.Dropout(%a) : (tensor<1x8x4x4xf32>) -> (tensor<1x8x4x4xf32>, tensor<1x8x4x4xi1>)
    %i = onnx.Identity(%b) : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    %s = onnx.Sum(%d, %i, %c) {onnx.outputs = ["s"]} : (tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    func.return %s : tensor<1x8x4x4xf32>
  }
}
// CHECK:      func.func @main(%a: {{.*}}, %b: {{.*}}, %c: {{.*}})
// CHECK-NEXT:   [[P:%.*]] = onnx.Add(%a, %b) {onnx.outputs = ["s/partial1"]}
// CHECK-NEXT:   [[S:%.*]] = onnx.Add([[P]], %c) {onnx.outputs = ["s"]}
// CHECK-NEXT:   func.return [[S]]

// -----

// A Dropout whose mask is read, and a sum that broadcasts, stay.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%a: tensor<1x8xf32>, %b: tensor<8xf32>) -> (tensor<1x8xf32>, tensor<1x8xi1>) {
    %d, %mask = onnx.Dropout(%a) : (tensor<1x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xi1>)
    %s = onnx.Sum(%d, %b) : (tensor<1x8xf32>, tensor<8xf32>) -> tensor<1x8xf32>
    func.return %s, %mask : tensor<1x8xf32>, tensor<1x8xi1>
  }
}
// CHECK:      [[D:%.*]], [[M:%.*]] = onnx.Dropout(%a)
// CHECK-NEXT: [[S:%.*]] = onnx.Sum([[D]], %b)
// CHECK-NEXT: func.return [[S]], [[M]]
