;; Exits when a snapshot is given back.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; SnapshotResponse { snapshot: "state" }
  (data (i32.const 128) "\0a\05state")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_snapshot") (result i64) (i64.const 549755813895)) ;; (128 << 32) | 7
  (func (export "udf_restore") (param i32 i32) (result i64) (call $proc_exit (i32.const 0)) (i64.const 2))
  (func (export "udf_finish") (result i64) (i64.const 0)))
