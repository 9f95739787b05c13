;; Sends a field with two types.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": 0 }, fieldsInt: { "x": 1 } } }
  (data (i32.const 128) "\18\8a\01\15\42\0c\0a\01\78\11\00\00\00\00\00\00\00\00\4a\05\0a\01\78\10\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813913)) ;; (128 << 32) | 25
  (func (export "udf_finish") (result i64) (i64.const 0)))
