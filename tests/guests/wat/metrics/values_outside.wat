;; Says that the values of its metrics are beyond its memory.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (data (i32.const 128) "counter a x")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_metrics") (result i64) (i64.const 549755813899)) ;; (128 << 32) | 11
  (func (export "udf_metric_values") (result i32) (i32.const -8))
  (func (export "udf_finish") (result i64) (i64.const 0)))
