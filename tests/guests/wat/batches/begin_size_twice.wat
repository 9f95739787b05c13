;; Gives the size of a batch twice, and each time a wrong one.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin: { size: 0, size: -1 } }, Response { point: { fieldsDouble: { "x": 1 } } }, Response { end }
  (data (i32.const 128) "\10\82\01\0d \00 \ff\ff\ff\ff\ff\ff\ff\ff\ff\01\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?\03\92\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813927)) ;; (128 << 32) | 39
  (func (export "udf_finish") (result i64) (i64.const 0)))
