;; Reads from the host's stdin, and traps if there is anything.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; an iovec
  (data (i32.const 128) "\00\01\00\00\00\04\00\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (drop (call $fd_read (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 140)))
    (if (i32.load (i32.const 140)) (then (unreachable)))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
