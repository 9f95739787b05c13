;; Says 10,000 times that it is about to trap, and does not.
(module
  (import "kapacitor" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (call $log (i32.const 4) (i32.const 0) (i32.const 100000))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10000))))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
