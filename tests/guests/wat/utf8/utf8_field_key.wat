;; Sends the name of a field that is not UTF-8: Kapacitor ends the task.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { ff fe: 1 } } }
  (data (i32.const 128) "\12\8a\01\0fB\0d\0a\02\ff\fe\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813907)) ;; (128 << 32) | 19
  (func (export "udf_finish") (result i64) (i64.const 0)))
