;; Hides a second type of a field behind a second key of its entry.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": 1 }, fieldsInt: { "y", then "x": 1 } } }
  (data (i32.const 128) "\1b\8a\01\18B\0c\0a\01x\11\00\00\00\00\00\00\f0?J\08\0a\01y\0a\01x\10\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813916)) ;; (128 << 32) | 28
  (func (export "udf_finish") (result i64) (i64.const 0)))
