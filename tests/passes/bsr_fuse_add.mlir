// RUN: blockloom-opt %s -p bsr-fuse-add --split-input-file | filecheck %s

// The convolution keeps its own position 5 and its clamp inside; the sum's clamp and position are those of the result.
func.func @residual(%x: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<3>> {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"w", "00">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>
  %c = bsr.conv2d(%x, %w) {clamp = array<i64: -9, 9>, bsr.tensor = "conv"} : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<5>>
  %y = bsr.add(%x, %c) {clamp = array<i64: 0, 127>, bsr.tensor = "sum"} : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<5>>) -> tensor<1x8x4x4xi8, #bsr.fixed<3>>
  func.return %y : tensor<1x8x4x4xi8, #bsr.fixed<3>>
}
// CHECK-LABEL: @residual
// CHECK:         %y = bsr.conv2d(%x, %w, %x) {bsr.tensor = "sum", clamp = array<i64: 0, 127>, inner_clamp = array<i64: -9, 9>, inner_position = 5 : i64} : {{.*}} -> tensor<1x8x4x4xi8, #bsr.fixed<3>>
// CHECK-NEXT:    func.return %y

// -----

// Of two convolutions the later one takes the sum.
func.func @two(%x: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>> {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"w", "00">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>
  %a = bsr.conv2d(%x, %w) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %b = bsr.conv2d(%x, %w) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %y = bsr.add(%a, %b) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x8x4x4xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @two
// CHECK:         %a = bsr.conv2d(%x, %w) :
// CHECK-NEXT:    %y = bsr.conv2d(%x, %w, %a) {inner_position = 4 : i64}

// -----

// Of two convolutions, the one that takes every input row once, whichever comes later.
func.func @rows(%x: tensor<1x8x8x8xi8, #bsr.fixed<4>>, %z: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>> {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"w", "00">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>
  %a = bsr.conv2d(%z, %w) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %b = bsr.conv2d(%x, %w) {strides = array<i64: 2, 2>} : (tensor<1x8x8x8xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %y = bsr.add(%a, %b) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x8x4x4xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @rows
// CHECK:         %b = bsr.conv2d(%x, %w) {strides
// CHECK-NEXT:    %y = bsr.conv2d(%z, %w, %b) {inner_position = 4 : i64}

// -----

// The convolution is a result as well; it is rounded another way; it is added to itself: all three stay as they are.
func.func @refused(%x: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = #bsr.blob<"w", "00">, bias = dense<0> : tensor<8xi32>} : tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>
  %a = bsr.conv2d(%x, %w) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %b = bsr.conv2d(%x, %w) {rounding = "half_up"} : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %c = bsr.conv2d(%x, %w) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x1x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %p = bsr.add(%a, %x) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %q = bsr.add(%b, %x) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  %r = bsr.add(%c, %c) : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  func.return %a, %p, %q, %r : tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<1x8x4x4xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @refused
// CHECK:         %p = bsr.add(%a, %x)
// CHECK-NEXT:    %q = bsr.add(%b, %x)
// CHECK-NEXT:    %r = bsr.add(%c, %c)
