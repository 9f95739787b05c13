;; Gives an input buffer that overlaps its output.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": 1 } } }
  (data (i32.const 128) "\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 128))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i32.store16 (i32.const 0) (i32.const 0x108)) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813906)) ;; (128 << 32) | 18
  (func (export "udf_finish") (result i64) (i64.const 0)))
