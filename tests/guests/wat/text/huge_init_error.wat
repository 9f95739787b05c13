;; Refuses to start with an error of a megabyte.
(module
  (memory (export "memory") 18)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the head of InitResponse { error }
  (data (i32.const 128) "\12\80\80@")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 1048708))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (memory.fill (i32.const 132) (i32.const 97) (i32.const 1048576))
    (i64.const 549756862468)) ;; (128 << 32) | 1048580
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
