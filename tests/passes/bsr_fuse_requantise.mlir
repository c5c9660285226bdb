// RUN: blockloom-opt %s -p bsr-fuse-requantise --split-input-file | filecheck %s

// The concatenation rounds %x to position 4 itself; %z comes from position 3 by way of 5 and keeps both steps.
func.func @concat(%x: tensor<1x8x2x2xi8, #bsr.fixed<5>>, %z: tensor<1x8x2x2xi8, #bsr.fixed<3>>) -> tensor<1x16x2x2xi8, #bsr.fixed<4>> {
  %a = bsr.requantise(%x) : (tensor<1x8x2x2xi8, #bsr.fixed<5>>) -> tensor<1x8x2x2xi8, #bsr.fixed<4>>
  %b = bsr.requantise(%z) : (tensor<1x8x2x2xi8, #bsr.fixed<3>>) -> tensor<1x8x2x2xi8, #bsr.fixed<5>>
  %y = bsr.concat(%a, %b) : (tensor<1x8x2x2xi8, #bsr.fixed<4>>, tensor<1x8x2x2xi8, #bsr.fixed<5>>) -> tensor<1x16x2x2xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x16x2x2xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @concat
// CHECK:         %b = bsr.requantise(%z)
// CHECK-NEXT:    %y = bsr.concat(%x, %b)

// -----

// A clamp inside the requantisation would be lost, and another rounding would differ on ties.
func.func @refused(%x: tensor<1x8x2x2xi8, #bsr.fixed<5>>) -> tensor<1x16x2x2xi8, #bsr.fixed<4>> {
  %a = bsr.requantise(%x) {clamp = array<i64: 0, 127>} : (tensor<1x8x2x2xi8, #bsr.fixed<5>>) -> tensor<1x8x2x2xi8, #bsr.fixed<4>>
  %b = bsr.requantise(%x) {rounding = "half_up"} : (tensor<1x8x2x2xi8, #bsr.fixed<5>>) -> tensor<1x8x2x2xi8, #bsr.fixed<4>>
  %y = bsr.concat(%a, %b) : (tensor<1x8x2x2xi8, #bsr.fixed<4>>, tensor<1x8x2x2xi8, #bsr.fixed<4>>) -> tensor<1x16x2x2xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x16x2x2xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @refused
// CHECK:         %y = bsr.concat(%a, %b)

// -----

// Without a shift it is a clamp.
func.func @no_shift(%x: tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8xi8, #bsr.fixed<5>> {
  %y = bsr.requantise(%x) {clamp = array<i64: 0, 127>} : (tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8xi8, #bsr.fixed<5>>
  func.return %y : tensor<1x8xi8, #bsr.fixed<5>>
}
// CHECK-LABEL: @no_shift
// CHECK:         %y = bsr.clamp(%x) {clamp = array<i64: 0, 127>}
