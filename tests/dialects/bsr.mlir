// RUN: blockloom-opt %s | blockloom-opt | filecheck %s
// RUN: blockloom-opt %s --print-op-generic | blockloom-opt | filecheck %s

// All ops in the form a reader sees them; what equals its default is not printed.
func.func @main(%x: tensor<1x8x6x6xi8, #bsr.fixed<5>>, %t: tensor<1x16x1x6xi8, #bsr.fixed<5>>) -> tensor<1x8xf32> {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"conv", "0011223344556677">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x3x3xi8, #bsr.blocks<7, 1 of 1>>
  %a = bsr.conv2d(%x, %w) {pads = array<i64: 1, 1, 1, 1>, clamp = array<i64: 0, 127>, bsr.tensor = "relu1"} : (tensor<1x8x6x6xi8, #bsr.fixed<5>>, tensor<8x8x3x3xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x6x6xi8, #bsr.fixed<4>>
  %b = bsr.conv2d(%a, %w, %x) {pads = array<i64: 1, 1, 1, 1>, inner_position = 3 : i64, rounding = "half_up"} : (tensor<1x8x6x6xi8, #bsr.fixed<4>>, tensor<8x8x3x3xi8, #bsr.blocks<7, 1 of 1>>, tensor<1x8x6x6xi8, #bsr.fixed<5>>) -> tensor<1x8x6x6xi8, #bsr.fixed<4>>
  %c = bsr.add(%a, %b) : (tensor<1x8x6x6xi8, #bsr.fixed<4>>, tensor<1x8x6x6xi8, #bsr.fixed<4>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
  %c1 = bsr.sub(%a, %b) {clamp = array<i64: -5, 6>} : (tensor<1x8x6x6xi8, #bsr.fixed<4>>, tensor<1x8x6x6xi8, #bsr.fixed<4>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
  %c2 = bsr.mul(%c, %c1) {rounding = "half_up"} : (tensor<1x8x6x6xi8, #bsr.fixed<3>>, tensor<1x8x6x6xi8, #bsr.fixed<3>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
  %c3 = bsr.max(%c, %c1) : (tensor<1x8x6x6xi8, #bsr.fixed<3>>, tensor<1x8x6x6xi8, #bsr.fixed<3>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
  %c4 = bsr.min(%c2, %c3) {clamp = array<i64: 0, 127>} : (tensor<1x8x6x6xi8, #bsr.fixed<3>>, tensor<1x8x6x6xi8, #bsr.fixed<3>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
  %m = bsr.matmul(%t, %t) {heads = 2 : i64, transposed, rounding = "half_up"} : (tensor<1x16x1x6xi8, #bsr.fixed<5>>, tensor<1x16x1x6xi8, #bsr.fixed<5>>) -> tensor<1x12x1x6xi8, #bsr.fixed<3>>
  %n = bsr.matmul(%m, %t) {heads = 2 : i64, clamp = array<i64: 0, 127>} : (tensor<1x12x1x6xi8, #bsr.fixed<3>>, tensor<1x16x1x6xi8, #bsr.fixed<5>>) -> tensor<1x16x1x6xi8, #bsr.fixed<4>>
  %d = bsr.max_pool(%c4) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x8x6x6xi8, #bsr.fixed<3>>) -> tensor<1x8x3x3xi8, #bsr.fixed<3>>
  %e = bsr.avg_pool(%d) {kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, count_include_pad = true} : (tensor<1x8x3x3xi8, #bsr.fixed<3>>) -> tensor<1x8x3x3xi8, #bsr.fixed<5>>
  %e1 = bsr.append(%d, %e) {axis = 3 : i64} : (tensor<1x8x3x3xi8, #bsr.fixed<3>>, tensor<1x8x3x3xi8, #bsr.fixed<5>>) -> tensor<1x8x3x6xi8, #bsr.fixed<4>>
  %f = bsr.concat(%d, %e) : (tensor<1x8x3x3xi8, #bsr.fixed<3>>, tensor<1x8x3x3xi8, #bsr.fixed<5>>) -> tensor<1x16x3x3xi8, #bsr.fixed<-2>>
  %g = bsr.clamp(%f) {clamp = array<i64: -5, 6>} : (tensor<1x16x3x3xi8, #bsr.fixed<-2>>) -> tensor<1x16x3x3xi8, #bsr.fixed<-2>>
  %h = bsr.requantise(%g) : (tensor<1x16x3x3xi8, #bsr.fixed<-2>>) -> tensor<1x16x3x3xi8, #bsr.fixed<1>>
  %i = bsr.pad(%h) {pads = array<i64: 0, 1, 0, 0>} : (tensor<1x16x3x3xi8, #bsr.fixed<1>>) -> tensor<1x16x3x4xi8, #bsr.fixed<1>>
  %j = bsr.reshape(%i) : (tensor<1x16x3x4xi8, #bsr.fixed<1>>) -> tensor<1x192xi8, #bsr.fixed<1>>
  %v = bsr.weights {gamma = dense<0> : tensor<3xui8>, values = dense<> : tensor<0x1x1x8x8xi8>, bias = dense<1> : tensor<8xi32>} : tensor<8x192x1x1xi8, #bsr.blocks<7, 0 of 24>>
  %k = bsr.gemm(%j, %v) : (tensor<1x192xi8, #bsr.fixed<1>>, tensor<8x192x1x1xi8, #bsr.blocks<7, 0 of 24>>) -> tensor<1x8xi8, #bsr.fixed<0>>
  %l = bsr.host(%k) {model = dense<1> : tensor<4xui8>, node = "softmax", operator = "DequantizeLinear, Softmax", reason = "computed in floating point"} : (tensor<1x8xi8, #bsr.fixed<0>>) -> tensor<1x8xf32>
  func.return %l : tensor<1x8xf32>
}

// CHECK:      %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"conv", "0011223344556677">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x3x3xi8, #bsr.blocks<7, 1 of 1>>
// CHECK-NEXT: %a = bsr.conv2d(%x, %w) {bsr.tensor = "relu1", pads = array<i64: 1, 1, 1, 1>, clamp = array<i64: 0, 127>}
// CHECK-NEXT: %b = bsr.conv2d(%a, %w, %x) {pads = array<i64: 1, 1, 1, 1>, inner_position = 3 : i64, rounding = "half_up"}
// CHECK-NEXT: %c = bsr.add(%a, %b) : (tensor<1x8x6x6xi8, #bsr.fixed<4>>, tensor<1x8x6x6xi8, #bsr.fixed<4>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
// CHECK-NEXT: %c1 = bsr.sub(%a, %b) {clamp = array<i64: -5, 6>}
// CHECK-NEXT: %c2 = bsr.mul(%c, %c1) {rounding = "half_up"}
// CHECK-NEXT: %c3 = bsr.max(%c, %c1) : (tensor<1x8x6x6xi8, #bsr.fixed<3>>, tensor<1x8x6x6xi8, #bsr.fixed<3>>) -> tensor<1x8x6x6xi8, #bsr.fixed<3>>
// CHECK-NEXT: %c4 = bsr.min(%c2, %c3) {clamp = array<i64: 0, 127>}
// CHECK-NEXT: %m = bsr.matmul(%t, %t) {heads = 2 : i64, transposed, rounding = "half_up"}
// CHECK-NEXT: %n = bsr.matmul(%m, %t) {heads = 2 : i64, clamp = array<i64: 0, 127>}
// CHECK-NEXT: %d = bsr.max_pool(%c4) {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, pads = array<i64: 1, 1, 1, 1>}
// CHECK-NEXT: %e = bsr.avg_pool(%d) {kernel = array<i64: 2, 2>, pads = array<i64: 0, 0, 1, 1>, count_include_pad = true}
// CHECK-NEXT: %e1 = bsr.append(%d, %e) {axis = 3 : i64} : (tensor<1x8x3x3xi8, #bsr.fixed<3>>, tensor<1x8x3x3xi8, #bsr.fixed<5>>) -> tensor<1x8x3x6xi8, #bsr.fixed<4>>
// CHECK-NEXT: %f = bsr.concat(%d, %e) : (tensor<1x8x3x3xi8, #bsr.fixed<3>>, tensor<1x8x3x3xi8, #bsr.fixed<5>>) -> tensor<1x16x3x3xi8, #bsr.fixed<-2>>
// CHECK-NEXT: %g = bsr.clamp(%f) {clamp = array<i64: -5, 6>}
// CHECK-NEXT: %h = bsr.requantise(%g) : {{.*}} -> tensor<1x16x3x3xi8, #bsr.fixed<1>>
// CHECK-NEXT: %i = bsr.pad(%h) {pads = array<i64: 0, 1, 0, 0>}
// CHECK-NEXT: %j = bsr.reshape(%i) : {{.*}} -> tensor<1x192xi8, #bsr.fixed<1>>
// CHECK-NEXT: %v = bsr.weights {gamma = dense<0> : tensor<3xui8>, values = dense<> : tensor<0x1x1x8x8xi8>
// CHECK-NEXT: %k = bsr.gemm(%j, %v) : (tensor<1x192xi8, #bsr.fixed<1>>, tensor<8x192x1x1xi8, #bsr.blocks<7, 0 of 24>>) -> tensor<1x8xi8, #bsr.fixed<0>>
// CHECK-NEXT: %l = bsr.host(%k) {model = dense<1> : tensor<4xui8>, node = "softmax", operator = "DequantizeLinear, Softmax", reason = "computed in floating point"}
