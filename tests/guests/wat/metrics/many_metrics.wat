;; Has 17 metrics.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (data (i32.const 128) "counter m0 x\0acounter m1 x\0acounter m2 x\0acounter m3 x\0acounter m4 x\0acounter m5 x\0acounter m6 x\0acounter m7 x\0acounter m8 x\0acounter m9 x\0acounter m10 x\0acounter m11 x\0acounter m12 x\0acounter m13 x\0acounter m14 x\0acounter m15 x\0acounter m16 x\0a")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_metrics") (result i64) (i64.const 549755814116)) ;; (128 << 32) | 228
  (func (export "udf_metric_values") (result i32) (i32.const 1024))
  (func (export "udf_finish") (result i64) (i64.const 0)))
