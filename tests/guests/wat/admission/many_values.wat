;; Has an option with 50,000 values.
(module
  (memory (export "memory") 2)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the head of InfoResponse { options: { "a": { valueTypes } } }
  (data (i32.const 64) "\1a\db\86\03\0a\01a\12\d4\86\03\0a\d0\86\03")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 65536))
  (func (export "udf_info") (result i64) (i64.const 274877956959)) ;; (64 << 32) | 50015
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
