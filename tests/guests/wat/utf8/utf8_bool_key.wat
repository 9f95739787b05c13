;; Sends the name of a boolean field that is not UTF-8: Kapacitor ends the task.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsBool: { ff fe: true } } }
  (data (i32.const 128) "\0b\8a\01\08b\06\0a\02\ff\fe\10\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813900)) ;; (128 << 32) | 12
  (func (export "udf_finish") (result i64) (i64.const 0)))
