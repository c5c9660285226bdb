// RUN: blockloom-opt %s | blockloom-opt | filecheck %s
// RUN: blockloom-opt %s --print-op-generic | blockloom-opt | filecheck %s

// A program at the memory level in full: maps with a place, one invocation of two segments, host work around it.
func.func @main(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xi8, #bsr.fixed<3>> {
  %in = mem.map "in" {shape = array<i64: 8, 4, 4>, position = 4 : i64, address = 0 : i64, size = 128 : i64, live = array<i64: 0, 2>} : !mem.buffer<ddr>
  %out = mem.map "out" {shape = array<i64: 8, 4, 4>, position = -3 : i64, address = 128 : i64, size = 128 : i64, live = array<i64: 1, 2>} : !mem.buffer<ddr>
  %a = mem.map "a" {shape = array<i64: 8, 4, 4>, position = 4 : i64, address = 448 : i64, size = 64 : i64, live = array<i64: 0, 1>, stripes = array<i64: 0, 2, 2, 4>} : !mem.buffer<memtile>
  %b = mem.map "b" {shape = array<i64: 8, 4, 4>, position = 3 : i64, address = 512 : i64, size = 64 : i64, live = array<i64: 0, 2>, stripes = array<i64: 0, 2, 2, 4>} : !mem.buffer<memtile>
  %q = mem.host(%x) {model = dense<1> : tensor<4xui8>, node = "q", operator = "QuantizeLinear", reason = "boundary"} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
  mem.store %q, %in : tensor<1x8x4x4xi8, #bsr.fixed<4>>, !mem.buffer<ddr>
  mem.invoke {
    mem.segment "conv" -> %b attributes {tensor = "conv_q"} : !mem.buffer<memtile> {
      %ring = mem.ring {address = 320 : i64, page_words = 32 : i64, pages = 2 : i64, live = array<i64: 0, 1>} : !mem.buffer<memtile>
      %t0 = mem.copy %in to %a {from = #mem.window<0, 0 [<16, 1>]>, to = #mem.window<0, 112 [<16, 1>]>} : !mem.buffer<ddr> to !mem.buffer<memtile>
      %t1 = mem.copy %in to %a {from = #mem.window<1, 16 [<16, 1>]>, to = #mem.window<1, 112 [<16, 1>]>} : !mem.buffer<ddr> to !mem.buffer<memtile>
      mem.wait %t0, %t1
      %w = mem.weights {values = dense<7> : tensor<64xi32>, streams = array<i64: 0, 1, 32, 1>, chunk = 32 : i64} : !mem.buffer<ddr>
      %l = mem.launch "conv"(%a) to %b weights %w via %ring attributes {parameters = {kernel = 0 : i64, taps = 3 : i64}} {
        mem.core {column = 0 : i64, row = 1 : i64, parameters = {rows = 2 : i64}, reads = [[#mem.window<0, 112 [<2, 8>, <4, 2> pad <1, 0>, <2, 1>] x <3, 16>>, #mem.window<1, 112 [<8, 1>]>], [#mem.window<0, 112 [<8, 1>]>]], read_runs = array<i64: 6, 1>, writes = [#mem.window<0, 128 [<16, 1>]>], write_runs = array<i64: 1>, stream = 1 : i64}
      } : (!mem.buffer<memtile>) to !mem.buffer<memtile> weights !mem.buffer<ddr> via !mem.buffer<memtile>
      mem.wait %l
    }
    mem.segment "add" -> %out attributes {tensor = ""} : !mem.buffer<ddr> {
      %l = mem.launch "add"(%a, %b) to %b attributes {parameters = {}} {
        mem.core {column = 1 : i64, row = 0 : i64, parameters = {}, reads = [], read_runs = array<i64>, writes = [], write_runs = array<i64>, stream = -1 : i64}
      } : (!mem.buffer<memtile>, !mem.buffer<memtile>) to !mem.buffer<memtile>
      mem.wait %l
      %s = mem.copy %b to %out {from = #mem.window<0, 128 [<16, 1>]>, to = #mem.window<0, 32 [<16, 1>]>} : !mem.buffer<memtile> to !mem.buffer<ddr>
      mem.wait %s
    }
  }
  %image = mem.image {values = dense<3> : tensor<64xi32>} : !mem.buffer<ddr>
  mem.run @sequence_0(%image) {segments = ["conv"], tensors = ["conv_q"]} -> (%b) : !mem.buffer<ddr> -> (!mem.buffer<memtile>)
  %y = mem.load %out : !mem.buffer<ddr> -> tensor<1x8x4x4xi8, #bsr.fixed<3>>
  func.return %y : tensor<1x8x4x4xi8, #bsr.fixed<3>>
}

// Maps in DDR have no stripes, those in MemTiles one pair of rows per column; positions may be negative.
// CHECK:       %in = mem.map "in" {shape = array<i64: 8, 4, 4>, position = 4 : i64, address = 0 : i64, size = 128 : i64, live = array<i64: 0, 2>} : !mem.buffer<ddr>
// CHECK-NEXT:  %out = mem.map "out" {shape = array<i64: 8, 4, 4>, position = -3 : i64, address = 128 : i64, size = 128 : i64, live = array<i64: 1, 2>} : !mem.buffer<ddr>
// CHECK-NEXT:  %a = mem.map "a" {{{.*}}, stripes = array<i64: 0, 2, 2, 4>} : !mem.buffer<memtile>
// CHECK-NEXT:  %b = mem.map "b" {{{.*}}, stripes = array<i64: 0, 2, 2, 4>} : !mem.buffer<memtile>

// The host's work keeps its model and why it is there.
// CHECK-NEXT:  %q = mem.host(%x) {model = dense<1> : tensor<4xui8>, node = "q", operator = "QuantizeLinear", reason = "boundary"} : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xi8, #bsr.fixed<4>>
// CHECK-NEXT:  mem.store %q, %in : tensor<1x8x4x4xi8, #bsr.fixed<4>>, !mem.buffer<ddr>
// CHECK-NEXT:  mem.invoke {
// CHECK-NEXT:    mem.segment "conv" -> %b attributes {tensor = "conv_q"} : !mem.buffer<memtile> {
// CHECK-NEXT:      %ring = mem.ring {address = 320 : i64, page_words = 32 : i64, pages = 2 : i64, live = array<i64: 0, 1>} : !mem.buffer<memtile>

// Two copies run at the same time and are waited for together.
// CHECK-NEXT:      %t0 = mem.copy %in to %a {from = #mem.window<0, 0 [<16, 1>]>, to = #mem.window<0, 112 [<16, 1>]>} : !mem.buffer<ddr> to !mem.buffer<memtile>
// CHECK-NEXT:      %t1 = mem.copy %in to %a
// CHECK-NEXT:      mem.wait %t0, %t1

// A launch with weights names the ring they come through; windows print padding and iteration only where there is any.
// CHECK-NEXT:      %w = mem.weights {values = dense<7> : tensor<64xi32>, streams = array<i64: 0, 1, 32, 1>, chunk = 32 : i64} : !mem.buffer<ddr>
// CHECK-NEXT:      %l = mem.launch "conv"(%a) to %b weights %w via %ring attributes {parameters = {kernel = 0 : i64, taps = 3 : i64}} {
// CHECK-NEXT:        mem.core {column = 0 : i64, row = 1 : i64, parameters = {rows = 2 : i64}, reads = {{\[\[}}#mem.window<0, 112 [<2, 8>, <4, 2> pad <1, 0>, <2, 1>] x <3, 16>>, #mem.window<1, 112 [<8, 1>]>], [#mem.window<0, 112 [<8, 1>]>]], read_runs = array<i64: 6, 1>, writes = [#mem.window<0, 128 [<16, 1>]>], write_runs = array<i64: 1>, stream = 1 : i64}
// CHECK-NEXT:      } : (!mem.buffer<memtile>) to !mem.buffer<memtile> weights !mem.buffer<ddr> via !mem.buffer<memtile>
// CHECK-NEXT:      mem.wait %l

// One without weights has neither.
// CHECK:         %{{.*}} = mem.launch "add"(%a, %b) to %b attributes {parameters = {}} {
// CHECK-NEXT:        mem.core {column = 1 : i64, row = 0 : i64, parameters = {}, reads = [], read_runs = array<i64>, writes = [], write_runs = array<i64>, stream = -1 : i64}
// CHECK-NEXT:      } : (!mem.buffer<memtile>, !mem.buffer<memtile>) to !mem.buffer<memtile>

// After the conversion to the array level the host runs sequences instead.
// CHECK:       %image = mem.image {values = dense<3> : tensor<64xi32>} : !mem.buffer<ddr>
// CHECK-NEXT:  mem.run @sequence_0(%image) {segments = ["conv"], tensors = ["conv_q"]} -> (%b) : !mem.buffer<ddr> -> (!mem.buffer<memtile>)
// CHECK-NEXT:  %y = mem.load %out : !mem.buffer<ddr> -> tensor<1x8x4x4xi8, #bsr.fixed<3>>
