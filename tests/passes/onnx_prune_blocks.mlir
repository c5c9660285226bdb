// RUN: blockloom-opt %s -p 'onnx-prune-blocks{ratio=0.5 importance="l1"}' | filecheck %s
// RUN: not blockloom-opt %s -p 'onnx-prune-blocks{ratio=2}' | filecheck %s --check-prefix RATIO

// The first convolution and the classifier stay dense. In between one of two blocks goes, that of one channel only.
builtin.module attributes {onnx.opset = 21 : i64} {
  func.func @main(%x: tensor<1x9x1x1xf32>) -> tensor<1x1x1x1xf32> {
    %a = onnx.Constant {value = dense<1.0> : tensor<9x9x1x1xf32>, onnx.outputs = ["a"]} : tensor<9x9x1x1xf32>
    %b = onnx.Constant {value = dense<2> : tensor<1x9x1x1xi8>, onnx.outputs = ["b"]} : tensor<1x9x1x1xi8>
    %scale = onnx.Constant {value = dense<0.5> : tensor<f32>} : tensor<f32>
    %c = onnx.Constant {value = dense<1.0> : tensor<1x1x1x1xf32>, onnx.outputs = ["c"]} : tensor<1x1x1x1xf32>
    %first = onnx.Conv(%x, %a) : (tensor<1x9x1x1xf32>, tensor<9x9x1x1xf32>) -> tensor<1x9x1x1xf32>
    %bd = onnx.DequantizeLinear(%b, %scale) : (tensor<1x9x1x1xi8>, tensor<f32>) -> tensor<1x9x1x1xf32>
    %second = onnx.Conv(%first, %bd) : (tensor<1x9x1x1xf32>, tensor<1x9x1x1xf32>) -> tensor<1x1x1x1xf32>
    %last = onnx.Conv(%second, %c) : (tensor<1x1x1x1xf32>, tensor<1x1x1x1xf32>) -> tensor<1x1x1x1xf32>
    func.return %last : tensor<1x1x1x1xf32>
  }
}
// CHECK-DAG:  [[A:%.*]] = onnx.Constant {value = dense<1.000000e+00> : tensor<9x9x1x1xf32>
// CHECK-DAG:  [[C:%.*]] = onnx.Constant {value = dense<1.000000e+00> : tensor<1x1x1x1xf32>
// CHECK-DAG:  [[B:%.*]] = onnx.Constant {value = dense<{{\[\[\[\[2\]\], .*\[\[0\]\]\]\]}}> : tensor<1x9x1x1xi8>, onnx.outputs = ["b/pruned"]}

// RATIO: ratio must lie between 0 and 1, but is 2
