// RUN: blockloom-opt %s -p convert-onnx-to-bsr --split-input-file | filecheck %s
// RUN: xdsl-opt %s -p 'convert-onnx-to-bsr{rounding=half_up}' --split-input-file | filecheck %s --check-prefix=UP

// A convolution with bias and ReLU between int8 values is one op on integers: position 5 + 1 - 4 is a shift by 2, the
// ReLU is its clamp, and the weights are one padded block. The network's boundary stays on the host.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x1x2x2xf32> {onnx.name = "x"}) -> (tensor<1x1x2x2xf32> {onnx.name = "y"}) {
    %s5 = onnx.Constant {value = dense<3.125000e-02> : tensor<f32>} : tensor<f32>
    %s4 = onnx.Constant {value = dense<6.250000e-02> : tensor<f32>} : tensor<f32>
    %s1 = onnx.Constant {value = dense<5.000000e-01> : tensor<f32>} : tensor<f32>
    %s6 = onnx.Constant {value = dense<1.562500e-02> : tensor<f32>} : tensor<f32>
    %z = onnx.Constant {value = dense<0> : tensor<i8>} : tensor<i8>
    %z32 = onnx.Constant {value = dense<0> : tensor<i32>} : tensor<i32>
    %w8 = onnx.Constant {value = dense<3> : tensor<1x1x1x1xi8>} : tensor<1x1x1x1xi8>
    %b32 = onnx.Constant {value = dense<-7> : tensor<1xi32>} : tensor<1xi32>
    %xq = onnx.QuantizeLinear(%x, %s5, %z) {onnx.outputs = ["xq"]} : (tensor<1x1x2x2xf32>, tensor<f32>, tensor<i8>) -> tensor<1x1x2x2xi8>
    %xd = onnx.DequantizeLinear(%xq, %s5, %z) : (tensor<1x1x2x2xi8>, tensor<f32>, tensor<i8>) -> tensor<1x1x2x2xf32>
    %w = onnx.DequantizeLinear(%w8, %s1, %z) : (tensor<1x1x1x1xi8>, tensor<f32>, tensor<i8>) -> tensor<1x1x1x1xf32>
    %b = onnx.DequantizeLinear(%b32, %s6, %z32) : (tensor<1xi32>, tensor<f32>, tensor<i32>) -> tensor<1xf32>
    %c = onnx.Conv(%xd, %w, %b) : (tensor<1x1x2x2xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<1x1x2x2xf32>
    %r = onnx.Relu(%c) : (tensor<1x1x2x2xf32>) -> tensor<1x1x2x2xf32>
    %yq = onnx.QuantizeLinear(%r, %s4, %z) {onnx.outputs = ["yq"]} : (tensor<1x1x2x2xf32>, tensor<f32>, tensor<i8>) -> tensor<1x1x2x2xi8>
    %y = onnx.DequantizeLinear(%yq, %s4, %z) : (tensor<1x1x2x2xi8>, tensor<f32>, tensor<i8>) -> tensor<1x1x2x2xf32>
    func.return %y : tensor<1x1x2x2xf32>
  }
}
// CHECK-LABEL: func.func @main(%x: tensor<1x1x2x2xf32> {onnx.name = "x"}) -> (tensor<1x1x2x2xf32> {onnx.name = "y"})
// CHECK-NEXT:    %xq = bsr.host(%x) {{.*}} operator = "QuantizeLinear", {{.*}} -> tensor<1x1x2x2xi8, #bsr.fixed<5>>
// CHECK-NEXT:    %yq_weights = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = dense<{{.*}}3, 0, {{.*}}> : tensor<1x1x1x8x8xi8>, bias = dense<-7> : tensor<1xi32>} : tensor<1x1x1x1xi8, #bsr.blocks<1, 1 of 1>>
// CHECK-NEXT:    %yq = bsr.conv2d(%xq, %yq_weights) {bsr.tensor = "yq", clamp = array<i64: 0, 127>} : {{.*}} -> tensor<1x1x2x2xi8, #bsr.fixed<4>>
// CHECK-NEXT:    %y = bsr.host(%yq) {{.*}} operator = "DequantizeLinear", reason = "the network's output leaves in f32"
// UP:            bsr.conv2d(%xq, %yq_weights) {bsr.tensor = "yq", clamp = array<i64: 0, 127>, rounding = "half_up"}
