;; Begins a batch with a name that is not UTF-8: Kapacitor ends the task.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin: { name: ff fe } }, Response { end }
  (data (i32.const 128) "\07\82\01\04\0a\02\ff\fe\03\92\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813900)) ;; (128 << 32) | 12
  (func (export "udf_finish") (result i64) (i64.const 0)))
