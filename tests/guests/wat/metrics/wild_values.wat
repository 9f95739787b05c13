;; Has a counter that jumps and goes back, and a gauge that is NaN and infinite.
(module
  (memory (export "memory") 1)
  (global $calls (mut i64) (i64.const 0))
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (data (i32.const 128) "counter jumps Jumps.\0agauge wild Is no number.\0agauge tame Is one.")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    ;; -1 in each odd call, and 5 in the others
    (i64.store (i32.const 1024)
      (select (i64.const -1) (i64.const 5) (i32.wrap_i64 (i64.and (global.get $calls) (i64.const 1)))))
    (f64.store (i32.const 1032)
      (select (f64.const nan) (f64.const -inf) (i32.wrap_i64 (i64.and (global.get $calls) (i64.const 1)))))
    (f64.store (i32.const 1040) (f64.convert_i64_u (global.get $calls)))
    (i64.const 0))
  (func (export "udf_metrics") (result i64) (i64.const 549755813952)) ;; (128 << 32) | 64
  (func (export "udf_metric_values") (result i32) (i32.const 1024))
  (func (export "udf_finish") (result i64) (i64.const 0)))
