;; Fills all memory that it may have with other random bytes for each call, which makes the largest snapshots.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 128)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 8300000))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $at i32)
    (local.set $at (i32.const 4096))
    (loop $next
      (drop (call $random_get (local.get $at) (i32.const 65536)))
      (local.set $at (i32.add (local.get $at) (i32.const 65536)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 8200000))))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
