// RUN: not blockloom-opt %s -p canonicalise | filecheck %s --check-prefix NAME
// RUN: not blockloom-opt %s -p 'canonicalize{fast=true}' | filecheck %s --check-prefix OPTION
// RUN: not blockloom-opt %s -p 'canonicalize{' | filecheck %s --check-prefix SYNTAX
// RUN: not blockloom-opt %s.absent | filecheck %s --check-prefix ABSENT
// RUN: not blockloom-opt %s --weights absent.npz | filecheck %s --check-prefix WEIGHTS

// NAME: blockloom-opt: unknown pass 'canonicalise'; did you mean canonicalize
// OPTION: blockloom-opt: unknown option of canonicalize 'fast'. There are: (it has none)
// SYNTAX: blockloom-opt: Error parsing pass pipeline specification:
// SYNTAX: Expected argument name here
// ABSENT: blockloom-opt: cannot use '{{.*}}opt_errors.mlir.absent': No such file or directory
// WEIGHTS: blockloom-opt: the weights file 'absent.npz' does not exist

func.func @main() {
  func.return
}
