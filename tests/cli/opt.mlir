// RUN: blockloom-opt %s -p canonicalize --split-input-file | filecheck %s
// RUN: xdsl-opt %s --split-input-file | blockloom-opt --split-input-file | filecheck %s --check-prefix ROUND

// The value that nobody uses is removed; the one that is returned stays.
func.func @unused(%x: i32) -> i32 {
  %y = arith.addi %x, %x : i32
  func.return %x : i32
}
// CHECK-LABEL: func.func @unused(%x: i32) -> i32
// CHECK-NEXT:    func.return %x : i32
// ROUND: %y = arith.addi %x, %x : i32

// -----

// Each chunk is a module of its own.
func.func @second() {
  func.return
}
// CHECK: func.func @second()
