;; Sleeps for an hour, which the host does not wait for.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; a subscription to the monotonic clock in an hour
  (data (i32.const 64) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\a0\b8\30\46\03\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 320))) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
