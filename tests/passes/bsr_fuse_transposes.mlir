// RUN: blockloom-opt %s -p bsr-fuse-transposes --split-input-file | filecheck %s

// What undoes another transpose is its operand, through a reshape and under a name of its own shape.
// CHECK-LABEL: func.func @undone
// CHECK-NEXT:  %r = bsr.reshape(%m) : (tensor<1x64x1x49xi8, #bsr.fixed<4>>) -> tensor<1x8x8x49xi8, #bsr.fixed<4>>
// CHECK-NEXT:  func.return %m, %r
func.func @undone(%m: tensor<1x64x1x49xi8, #bsr.fixed<4>>) -> (tensor<1x64x1x49xi8, #bsr.fixed<4>>, tensor<1x8x8x49xi8, #bsr.fixed<4>>) {
  %heads = bsr.transpose(%m) {split = array<i64: 2, 32, 49>, permutation = array<i64: 0, 2, 1>} : (tensor<1x64x1x49xi8, #bsr.fixed<4>>) -> tensor<1x2x49x32xi8, #bsr.fixed<4>>
  %n = bsr.transpose(%heads) {split = array<i64: 2, 49, 32>, permutation = array<i64: 0, 2, 1>} : (tensor<1x2x49x32xi8, #bsr.fixed<4>>) -> tensor<1x64x1x49xi8, #bsr.fixed<4>>
  %r = bsr.transpose(%heads) {split = array<i64: 2, 49, 32>, permutation = array<i64: 0, 2, 1>} : (tensor<1x2x49x32xi8, #bsr.fixed<4>>) -> tensor<1x8x8x49xi8, #bsr.fixed<4>>
  func.return %n, %r : tensor<1x64x1x49xi8, #bsr.fixed<4>>, tensor<1x8x8x49xi8, #bsr.fixed<4>>
}

// -----

// Equal ones of one value are one; one that has a tensor's name and a reader keeps it.
// CHECK-LABEL: func.func @shared
// CHECK-NEXT:  %a = bsr.transpose(%x)
// CHECK-NEXT:  %named = bsr.transpose(%x) {{.*}}bsr.tensor = "y"
// CHECK-NEXT:  %s = bsr.add(%a, %a)
// CHECK-NEXT:  func.return %s, %named
func.func @shared(%x: tensor<1x6x8xi8, #bsr.fixed<4>>) -> (tensor<1x8x1x6xi8, #bsr.fixed<4>>, tensor<1x8x1x6xi8, #bsr.fixed<4>>) {
  %a = bsr.transpose(%x) {split = array<i64: 1, 6, 8>, permutation = array<i64: 0, 2, 1>} : (tensor<1x6x8xi8, #bsr.fixed<4>>) -> tensor<1x8x1x6xi8, #bsr.fixed<4>>
  %b = bsr.transpose(%x) {split = array<i64: 1, 6, 8>, permutation = array<i64: 0, 2, 1>} : (tensor<1x6x8xi8, #bsr.fixed<4>>) -> tensor<1x8x1x6xi8, #bsr.fixed<4>>
  %named = bsr.transpose(%x) {split = array<i64: 1, 6, 8>, permutation = array<i64: 0, 2, 1>, bsr.tensor = "y"} : (tensor<1x6x8xi8, #bsr.fixed<4>>) -> tensor<1x8x1x6xi8, #bsr.fixed<4>>
  %s = bsr.add(%a, %b) : (tensor<1x8x1x6xi8, #bsr.fixed<4>>, tensor<1x8x1x6xi8, #bsr.fixed<4>>) -> tensor<1x8x1x6xi8, #bsr.fixed<4>>
  func.return %s, %named : tensor<1x8x1x6xi8, #bsr.fixed<4>>, tensor<1x8x1x6xi8, #bsr.fixed<4>>
}

// -----

// What looks at one value at a time comes first, and then both transposes go.
// CHECK-LABEL: func.func @relu
// CHECK-NEXT:  %m = bsr.matmul(%x, %x)
// CHECK-NEXT:  %{{.*}} = bsr.clamp(%m) {clamp = array<i64: 0, 127>} : (tensor<1x6x1x6xi8, #bsr.fixed<4>>) -> tensor<1x6x1x6xi8, #bsr.fixed<4>>
// CHECK-NEXT:  %{{.*}} = bsr.requantise(%{{.*}}) : (tensor<1x6x1x6xi8, #bsr.fixed<4>>) -> tensor<1x6x1x6xi8, #bsr.fixed<3>>
// CHECK-NEXT:  func.return
func.func @relu(%x: tensor<1x8x1x6xi8, #bsr.fixed<4>>) -> tensor<1x6x1x6xi8, #bsr.fixed<3>> {
  %m = bsr.matmul(%x, %x) {transposed} : (tensor<1x8x1x6xi8, #bsr.fixed<4>>, tensor<1x8x1x6xi8, #bsr.fixed<4>>) -> tensor<1x6x1x6xi8, #bsr.fixed<4>>
  %t = bsr.transpose(%m) {split = array<i64: 1, 6, 6>, permutation = array<i64: 0, 2, 1>} : (tensor<1x6x1x6xi8, #bsr.fixed<4>>) -> tensor<1x6x6xi8, #bsr.fixed<4>>
  %c = bsr.clamp(%t) {clamp = array<i64: 0, 127>, bsr.tensor = "relu"} : (tensor<1x6x6xi8, #bsr.fixed<4>>) -> tensor<1x6x6xi8, #bsr.fixed<4>>
  %r = bsr.requantise(%c) : (tensor<1x6x6xi8, #bsr.fixed<4>>) -> tensor<1x6x6xi8, #bsr.fixed<3>>
  %y = bsr.transpose(%r) {split = array<i64: 1, 6, 6>, permutation = array<i64: 0, 2, 1>} : (tensor<1x6x6xi8, #bsr.fixed<3>>) -> tensor<1x6x1x6xi8, #bsr.fixed<3>>
  func.return %y : tensor<1x6x1x6xi8, #bsr.fixed<3>>
}
