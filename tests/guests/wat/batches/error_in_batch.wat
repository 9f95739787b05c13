;; Begins a batch and ends its task with an error.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin }, Response { point }, Response { error: { error: "in the middle" } }
  (data (i32.const 128) "\03\82\01\00\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?\112\0f\0a\0din the middle")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813928)) ;; (128 << 32) | 40
  (func (export "udf_finish") (result i64) (i64.const 0)))
