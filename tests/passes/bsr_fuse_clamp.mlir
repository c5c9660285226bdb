// RUN: blockloom-opt %s -p bsr-fuse-clamp --split-input-file | filecheck %s

// The clamp of a sum moves into it and its tensor name stays; both clamps together are [0, 6].
func.func @into_add(%x: tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8xi8, #bsr.fixed<4>> {
  %a = bsr.add(%x, %x) {clamp = array<i64: -3, 6>, bsr.tensor = "sum"} : (tensor<1x8xi8, #bsr.fixed<5>>, tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8xi8, #bsr.fixed<4>>
  %y = bsr.clamp(%a) {clamp = array<i64: 0, 127>, bsr.tensor = "relu"} : (tensor<1x8xi8, #bsr.fixed<4>>) -> tensor<1x8xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x8xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @into_add
// CHECK-NEXT:    %a = bsr.add(%x, %x) {bsr.tensor = "relu", clamp = array<i64: 0, 6>}
// CHECK-NEXT:    func.return %a

// -----

// The sum itself is a result as well, so it may not be clamped.
func.func @used_twice(%x: tensor<1x8xi8, #bsr.fixed<5>>) -> (tensor<1x8xi8, #bsr.fixed<4>>, tensor<1x8xi8, #bsr.fixed<4>>) {
  %a = bsr.add(%x, %x) : (tensor<1x8xi8, #bsr.fixed<5>>, tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8xi8, #bsr.fixed<4>>
  %y = bsr.clamp(%a) {clamp = array<i64: 0, 127>} : (tensor<1x8xi8, #bsr.fixed<4>>) -> tensor<1x8xi8, #bsr.fixed<4>>
  func.return %a, %y : tensor<1x8xi8, #bsr.fixed<4>>, tensor<1x8xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @used_twice
// CHECK:         %a = bsr.add(%x, %x) :
// CHECK-NEXT:    %y = bsr.clamp(%a)

// -----

// A reshape has no clamp of its own.
func.func @after_reshape(%x: tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8x1x1xi8, #bsr.fixed<5>> {
  %a = bsr.reshape(%x) : (tensor<1x8xi8, #bsr.fixed<5>>) -> tensor<1x8x1x1xi8, #bsr.fixed<5>>
  %y = bsr.clamp(%a) {clamp = array<i64: 0, 127>} : (tensor<1x8x1x1xi8, #bsr.fixed<5>>) -> tensor<1x8x1x1xi8, #bsr.fixed<5>>
  func.return %y : tensor<1x8x1x1xi8, #bsr.fixed<5>>
}
// CHECK-LABEL: @after_reshape
// CHECK:         %y = bsr.clamp(%a)
