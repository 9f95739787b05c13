;; Exports a global under a name that the host gives to hidden ones.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (global (export "__wizer_global_0") (mut i32) (i32.const 0))
  (global $hidden (mut i32) (i32.const 0))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (global.set $hidden (i32.const 1)) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
