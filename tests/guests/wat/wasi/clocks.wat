;; Asks unknown clocks, and for times at places outside of its memory.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $id i32)
    (loop $next
      (drop (call $clock_time_get (local.get $id) (i64.const -1) (i32.const 128)))
      (drop (call $clock_res_get (local.get $id) (i32.const 128)))
      (local.set $id (i32.add (local.get $id) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $id) (i32.const 4))))
    (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 65535)))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
