// RUN: blockloom-opt %s -p "convert-bsr-to-mem{target=mesh-1x1},convert-mem-to-aie" | filecheck %s

func.func @main(%x: tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<3>> {
  %y = bsr.requantise(%x) {bsr.tensor = "coarser"} : (tensor<1x8x4x4xi8, #bsr.fixed<4>>) -> tensor<1x8x4x4xi8, #bsr.fixed<3>>
  func.return %y : tensor<1x8x4x4xi8, #bsr.fixed<3>>
}

// The device holds the kernels that the network uses, and nothing else.
// CHECK:     aie.device(npu1) @array {
// CHECK-NOT:   func.func @conv(
// CHECK:       func.func @requantise(

// Shim, MemTile and core; the whole MemTile is one buffer, the core has its parameters and its arena.
// CHECK:      %[[SHIM:.*]] = aie.tile(0, 0)
// CHECK-NEXT: %[[TILE:.*]] = aie.tile(0, 1)
// CHECK-NEXT: %[[CORE:.*]] = aie.tile(0, 2)
// CHECK-NEXT: %[[M:.*]] = aie.buffer(%[[TILE]]) {sym_name = "memtile_0_1", address = 0 : i32} : memref<131072xi32>

// One parameter slot is free from the start; slots for data are minted by the core.
// CHECK:      %[[P:.*]] = aie.buffer(%[[CORE]]) {sym_name = "parameters_0_2", {{.*}}} : memref<128xi32>
// CHECK-NEXT: %[[A:.*]] = aie.buffer(%[[CORE]]) {sym_name = "arena_0_2", {{.*}}}
// CHECK-NEXT: aie.lock(%[[CORE]], 0) {init = 1 : i32, sym_name = "parameters_empty_0_2"}
// CHECK-NEXT: aie.lock(%[[CORE]], 1) {init = 0 : i32, sym_name = "parameters_full_0_2"}
// CHECK-NEXT: %[[EMPTY:.*]] = aie.lock(%[[CORE]], 2) {init = 0 : i32, sym_name = "input_empty_0_2"}
// CHECK-NEXT: %[[FULL:.*]] = aie.lock(%[[CORE]], 3) {init = 0 : i32, sym_name = "input_full_0_2"}

// The routing plan: U, O, B, fill, load and spill.
// CHECK:      aie.flow(%[[TILE]], DMA : 0, %[[CORE]], DMA : 0)
// CHECK-NEXT: aie.flow(%[[CORE]], DMA : 0, %[[TILE]], DMA : 0)
// CHECK-NEXT: aie.flow(%[[TILE]], DMA : 4, %[[CORE]], DMA : 1)
// CHECK-NEXT: aie.flow(%[[SHIM]], DMA : 0, %[[TILE]], DMA : 4)
// CHECK-NEXT: aie.flow(%[[SHIM]], DMA : 1, %[[TILE]], DMA : 5)
// CHECK-NEXT: aie.flow(%[[TILE]], DMA : 5, %[[SHIM]], DMA : 0)

// The fill: the MemTile receives with a token, the shim sends, and nothing goes on before the token.
// CHECK:      aie.runtime_sequence @sequence_0(%activations: memref<64xi32>, %weights: memref<64xi32>) {
// CHECK-NEXT:   %[[FILL:.*]] = aiex.dma_configure_task(%[[TILE]], S2MM, 4) {
// CHECK-NEXT:     aie.dma_bd(%[[M]] : memref<131072xi32>, {{[0-9]+}}, 32) {bd_id = 0 : i32}
// CHECK-NEXT:     aie.end
// CHECK-NEXT:   } {issue_token = true}
// CHECK-NEXT:   aiex.dma_start_task(%[[FILL]]) {blockloom.segment = "requantise"}
// CHECK-NEXT:   %[[SEND:.*]] = aiex.dma_configure_task(%[[SHIM]], MM2S, 0) {
// CHECK-NEXT:     aie.dma_bd(%activations : memref<64xi32>, 0, 32) {bd_id = 0 : i32}
// CHECK-NEXT:     aie.end
// CHECK-NEXT:   }
// CHECK-NEXT:   aiex.dma_start_task(%[[SEND]])
// CHECK-NEXT:   aiex.dma_await_task(%[[FILL]])

// Four rows of eight words into the ring of the core, slot after slot, each handed over by a lock.
// CHECK:        aiex.dma_configure_task(%[[CORE]], MM2S, 0) {
// CHECK:        aiex.dma_configure_task(%[[CORE]], S2MM, 0) {
// CHECK-NEXT:     aie.use_lock(%[[EMPTY]], AcquireGreaterEqual, 1)
// CHECK-NEXT:     aie.dma_bd(%[[A]] : {{.*}}, 0, 8, [<size = 3, stride = 8>, <size = 1, stride = {{.*}}>, <size = 1, stride = {{.*}}>, <size = 8, stride = 1>]) {bd_id = {{[0-9]+}} : i32}
// CHECK-NEXT:     aie.use_lock(%[[FULL]], Release, 1)
// CHECK-NEXT:     aie.end
// CHECK-NEXT:   } {repeat_count = 3 : i32}

// What is left of @main: parameters and weights as one image, the input stored, the sequence run, the result loaded.
// CHECK:      func.func @main
// CHECK-NEXT:   %[[IMAGE:.*]] = mem.image {{.*}} : !mem.buffer<ddr>
// CHECK:        mem.store %{{.*}}, %{{.*}}
// CHECK-NEXT:   mem.run @sequence_0(%[[IMAGE]]) {segments = ["requantise"], tensors = ["coarser"]}
// CHECK-NEXT:   mem.load
