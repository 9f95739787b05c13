;; Sends text with a slash in two bytes, which is not UTF-8: Kapacitor ends the task.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsString: { "x": c0 af } } }
  (data (i32.const 128) "\0c\8a\01\09R\07\0a\01x\12\02\c0\af")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813901)) ;; (128 << 32) | 13
  (func (export "udf_finish") (result i64) (i64.const 0)))
