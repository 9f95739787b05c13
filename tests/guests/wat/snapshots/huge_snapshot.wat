;; Gives a snapshot of as many random bytes as a call may return.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 40)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the head of SnapshotResponse { snapshot }
  (data (i32.const 128) "\0a\fc\ff\7f")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 2200000))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_snapshot") (result i64) (drop (call $random_get (i32.const 132) (i32.const 1000000))) (drop (call $random_get (i32.const 1000132) (i32.const 1000000)))
    (i64.const 549757911040)) ;; (128 << 32) | 2097152
  (func (export "udf_restore") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_finish") (result i64) (i64.const 0)))
