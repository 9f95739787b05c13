;; Sends a boolean of 1 << 63, and an integer in more bytes than it needs.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsBool: { "x": 1 << 63 }, fieldsInt: { "y": 1 } } }
  (data (i32.const 128) "\1d\8a\01\1ab\0e\0a\01x\10\80\80\80\80\80\80\80\80\80\01J\08\0a\01y\10\81\80\80\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813918)) ;; (128 << 32) | 30
  (func (export "udf_finish") (result i64) (i64.const 0)))
