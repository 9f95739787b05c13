;; Sends infinite fields, which InfluxDB and JSON do not take.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": Inf, "y": -Inf } } }
  (data (i32.const 128) "\1f\8a\01\1cB\0c\0a\01x\11\00\00\00\00\00\00\f0\7fB\0c\0a\01y\11\00\00\00\00\00\00\f0\ff")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813920)) ;; (128 << 32) | 32
  (func (export "udf_finish") (result i64) (i64.const 0)))
