;; Logs at every depth of its stack, down to the last one.
(module
  (import "kapacitor" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; an iovec and its text
  (data (i32.const 128) "\90\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00text\0a")
  (func $deeper (call $log (i32.const 3) (i32.const 144) (i32.const 5)) (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 136))) (call $deeper) (call $log (i32.const 3) (i32.const 144) (i32.const 5)))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (call $deeper) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
