;; Goes on after an error response.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { error: { error: "stop" } }, Response { point }
  (data (i32.const 128) "\08\32\06\0a\04\73\74\6f\70\03\8a\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813901)) ;; (128 << 32) | 13
  (func (export "udf_finish") (result i64) (i64.const 0)))
