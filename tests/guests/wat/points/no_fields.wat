;; Sends a point without fields, which InfluxDB does not take.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { name: "m", time: 1 } }
  (data (i32.const 128) "\08\8a\01\05\12\01m\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813897)) ;; (128 << 32) | 9
  (func (export "udf_finish") (result i64) (i64.const 0)))
