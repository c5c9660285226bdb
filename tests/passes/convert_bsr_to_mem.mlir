// RUN: blockloom-opt %s -p "convert-bsr-to-mem{target=mesh-1x2 verify=true}" | filecheck %s

func.func @main(%x: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x2x4xi8, #bsr.fixed<4>> {
  %w = bsr.weights {gamma = dense<128> : tensor<1xui8>, values = dense<1> : tensor<1x3x1x8x8xi8>, bias = dense<5> : tensor<8xi32>} : tensor<8x8x3x1xi8, #bsr.blocks<7, 1 of 1>>
  %y = bsr.conv2d(%x, %w) {strides = array<i64: 2, 1>, pads = array<i64: 1, 0, 0, 0>, clamp = array<i64: 0, 127>, bsr.tensor = "relu"} : (tensor<1x8x4x4xi8, #bsr.fixed<4>>, tensor<8x8x3x1xi8, #bsr.blocks<7, 1 of 1>>) -> tensor<1x8x2x4xi8, #bsr.fixed<4>>
  func.return %y : tensor<1x8x2x4xi8, #bsr.fixed<4>>
}

// The module carries every number of the chip that it was mapped to.
// CHECK: builtin.module attributes {blockloom.chip = {name = "mesh-1x2", columns = 2 : i64, core_rows = 1 : i64, {{.*}}}, mem.parameters = {{[0-9]+}} : i64}

// The input and the result pass through DDR; in the MemTiles column 0 holds two rows of the input, column 1 three,
// one of them a halo, and each column one row of the result.
// CHECK:      %[[IN:.*]] = mem.map "ddr0" {shape = array<i64: 8, 4, 4>, position = 4 : i64, {{.*}}} : !mem.buffer<ddr>
// CHECK-NEXT: %[[OUT:.*]] = mem.map "ddr1" {shape = array<i64: 8, 2, 4>, {{.*}}} : !mem.buffer<ddr>
// CHECK-NEXT: %[[TILE:.*]] = mem.map "fill0.0.0.conv2d" {{{.*}}, stripes = array<i64: 0, 2, 1, 4>} : !mem.buffer<memtile>
// CHECK-NEXT: %[[RESULT:.*]] = mem.map "conv2d" {{{.*}}, stripes = array<i64: 0, 1, 1, 2>} : !mem.buffer<memtile>

// All weights pass through one ring, which takes what the maps have left, up to what locks can count.
// CHECK-NEXT: %[[RING:.*]] = mem.ring {{{.*}}, page_words = 1024 : i64, pages = 63 : i64, live = array<i64: 0, 1>}
// CHECK-NEXT: mem.store %{{.*}}, %[[IN]]

// The segment says which tensor of the network it leaves behind.
// CHECK-NEXT: mem.invoke {
// CHECK-NEXT:   mem.segment "conv2d" -> %[[RESULT]] attributes {tensor = "relu"}

// Both columns are filled at once: rows of 8 words, from row 0 and from row 1 of the map.
// CHECK-NEXT:     %[[T0:.*]] = mem.copy %[[IN]] to %[[TILE]] {from = #mem.window<0, 0 [<16, 1>]>, to = {{.*}}}
// CHECK-NEXT:     %[[T1:.*]] = mem.copy %[[IN]] to %[[TILE]] {from = #mem.window<1, 8 [<24, 1>]>, to = {{.*}}}
// CHECK-NEXT:     mem.wait %[[T0]], %[[T1]]

// Three taps of one block are three entries, each with its tap in the upper half, behind a head that is rounded up to 16 words.
// CHECK-NEXT:     %[[W:.*]] = mem.weights {values = dense<[16, 0, 1, 2, 3, 5, 5, 5, 5, 5, 5, 5, 5, 0, 65536, 131072, {{.*}}]> : tensor<64xi32>, streams = array<i64: 0, 1>, chunk = 64 : i64}

// Core 0's first window begins one row above the map, core 1's with its first row; the rest they have in common.
// CHECK-NEXT:     %[[L:.*]] = mem.launch "conv"(%[[TILE]]) to %[[RESULT]] weights %[[W]] via %[[RING]] attributes {parameters = {kernel = 0 : i64, {{.*}} window = 3 : i64, row_stride = 2 : i64, {{.*}} shift = 7 : i64, rounding = 0 : i64, clamp_low = 0 : i64, clamp_high = 127 : i64}} {
// CHECK-NEXT:       mem.core {column = 0 : i64, row = 0 : i64, parameters = {output_chunks = 1 : i64, rows = 1 : i64, stream_rows = 2 : i64, row_origin = -1 : i64, blocks = 1 : i64, last_blocks = 1 : i64}, reads = {{\[\[}}#mem.window<0, {{[0-9]+}} [<16, 1>]>]], read_runs = array<i64: 1>, writes = [#mem.window<0, {{[0-9]+}} [<8, 1>]>], write_runs = array<i64: 1>, stream = 0 : i64}
// CHECK-NEXT:       mem.core {column = 1 : i64, row = 0 : i64, parameters = {output_chunks = 1 : i64, rows = 1 : i64, stream_rows = 3 : i64, row_origin = 0 : i64, {{.*}}}, reads = {{\[\[}}#mem.window<1, {{[0-9]+}} [<24, 1>]>]], {{.*}}}

// The result is spilled, since the caller wants it, and read from there.
// CHECK:          mem.wait %[[L]]
// CHECK-NEXT:     mem.copy %[[RESULT]] to %[[OUT]]
// CHECK-NEXT:     mem.copy %[[RESULT]] to %[[OUT]]
// CHECK-NEXT:     mem.wait
// CHECK:      mem.load %[[OUT]] : !mem.buffer<ddr> -> tensor<1x8x2x4xi8, #bsr.fixed<4>>
