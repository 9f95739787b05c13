;; Describes its metrics for ever.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_metrics") (result i64) (loop $again (br $again)) (unreachable))
  (func (export "udf_metric_values") (result i32) (i32.const 1024))
  (func (export "udf_finish") (result i64) (i64.const 0)))
