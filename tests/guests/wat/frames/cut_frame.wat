;; Returns a frame that is cut off.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; 5 bytes of frame, 2 of them there
  (data (i32.const 128) "\05\8a\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813891)) ;; (128 << 32) | 3
  (func (export "udf_finish") (result i64) (i64.const 0)))
