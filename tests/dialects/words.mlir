// RUN: blockloom-opt %s | blockloom-opt | filecheck %s
// RUN: blockloom-opt %s -p convert-bsr-to-mem | blockloom-opt | filecheck %s --check-prefix MEM

// A transpose of floats: strides of what is read, then of what is written; any type of 4 or 8 bytes.
// CHECK: %y = bsr.move(%x) {moves = [#bsr.words<0, 0 to 0 [<3, 1, 2>, <2, 3, 1>]>]} : (tensor<2x3xf32>) -> tensor<3x2xf32>
// CHECK-NEXT: %w = bsr.move(%z, %y) {moves = [#bsr.words<0, 2 to 0 [<6, 1, 1>]>, #bsr.words<1, 5 to 6 [<2, -1, 1>]>]}

// Words come as one descriptor of the shim reads them, and lie behind one another in the MemTile until they leave.
// MEM:      %[[x:.*]] = mem.words "move.0" {address = 0 : i64, words = 6 : i64} : !mem.buffer<ddr>
// MEM-NEXT: mem.store %{{.*}}, %[[x]] : tensor<2x3xf32>, !mem.buffer<ddr>
// MEM-NEXT: %[[y:.*]] = mem.words "move" {address = 24 : i64, words = 6 : i64} : !mem.buffer<ddr>
// MEM-NEXT: %[[tile:.*]] = mem.words "staging" {address = 0 : i64, words = 131072 : i64} : !mem.buffer<memtile>
// MEM:      mem.segment "move" -> %[[y]]
// MEM-NEXT: %[[t:.*]] = mem.copy %[[x]] to %[[tile]] {from = #mem.window<0, 0 [<3, 1>, <2, 3>]>, to = #mem.window<0, 0 [<6, 1>]>}
// MEM-NEXT: mem.wait %[[t]]
// MEM-NEXT: mem.copy %[[tile]] to %[[y]] {from = #mem.window<0, 0 [<6, 1>]>, to = #mem.window<0, 6 [<6, 1>]>}

// What another move has left in DDR is read there; words in the other direction come one by one.
// MEM:      mem.segment "move_2"
// MEM-NEXT: mem.copy %{{.*}} to %[[tile]] {from = #mem.window<0, 14 [<6, 1>]>
// MEM-NEXT: mem.copy %[[y]] to %[[tile]] {from = #mem.window<1, 11 [<1, 1>]>
// MEM-NEXT: mem.copy %[[y]] to %[[tile]] {from = #mem.window<2, 10 [<1, 1>]>
func.func @main(%x: tensor<2x3xf32>, %z: tensor<4xi64>) -> (tensor<3x2xf32>, tensor<8xf32>) {
  %y = bsr.move(%x) {moves = [#bsr.words<0, 0 to 0 [<3, 1, 2>, <2, 3, 1>]>]} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %w = bsr.move(%z, %y) {moves = [#bsr.words<0, 2 to 0 [<6, 1, 1>]>, #bsr.words<1, 5 to 6 [<2, -1, 1>]>]} : (tensor<4xi64>, tensor<3x2xf32>) -> tensor<8xf32>
  func.return %y, %w : tensor<3x2xf32>, tensor<8xf32>
}
