;; Sends a point, a tag and a field without a name.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { name: "", dimensions: [""], tags: { "": "" }, fieldsDouble: { "": 1 } } }
  (data (i32.const 128) "\1a\8a\01\17\12\002\00:\04\0a\00\12\00B\0b\0a\00\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813915)) ;; (128 << 32) | 27
  (func (export "udf_finish") (result i64) (i64.const 0)))
