;; Logs at levels that do not exist.
(module
  (import "kapacitor" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the text
  (data (i32.const 128) "text")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (call $log (i32.const -1) (i32.const 128) (i32.const 4)) (call $log (i32.const 5) (i32.const 128) (i32.const 4)) (call $log (i32.const 0x7fffffff) (i32.const 128) (i32.const -1)) (call $log (i32.const 4) (i32.const -1) (i32.const -1)) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
