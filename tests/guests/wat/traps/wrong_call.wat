;; Calls a function through its table as if it were of another type.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (type $t (func (param i64)))
  (table 1 funcref)
  (elem (i32.const 0) $f)
  (func $f)
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (call_indirect (type $t) (i64.const 1) (i32.const 0)) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
