// RUN: blockloom-opt %s -p bsr-unfit-on-host{target=mesh-1x1} | filecheck %s

// No ring of slots in a core holds a window of 70 rows; the reason stays with the host segment, and so does the tensor's name.
func.func @main(%x: tensor<1x8x70x2xi8, #bsr.fixed<4>>) -> tensor<1x8x1x1xi8, #bsr.fixed<4>> {
  %y = bsr.max_pool(%x) {kernel = array<i64: 70, 1>, bsr.tensor = "y"} : (tensor<1x8x70x2xi8, #bsr.fixed<4>>) -> tensor<1x8x1x2xi8, #bsr.fixed<4>> loc("pool")
  %z = bsr.max_pool(%y) {kernel = array<i64: 1, 2>} : (tensor<1x8x1x2xi8, #bsr.fixed<4>>) -> tensor<1x8x1x1xi8, #bsr.fixed<4>>
  func.return %z : tensor<1x8x1x1xi8, #bsr.fixed<4>>
}
// CHECK-LABEL: @main
// CHECK-NEXT:    %y = bsr.host(%x) {bsr.tensor = "y", model = {{.*}} node = "pool", operator = "MaxPool", reason = "layer 'pool' does not fit a core: 70 input rows of 2 pixels
// CHECK-NEXT:    %z = bsr.max_pool(%y) {kernel = array<i64: 1, 2>}
// CHECK-NEXT:    func.return %z
