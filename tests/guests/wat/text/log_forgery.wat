;; Logs text that looks like another line of the log.
(module
  (import "kapacitor" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; a line break, a colour, a mark that reverses text
  (data (i32.const 64) "x\0alvl=error msg=forged \1b[31m\e2\80\ae and more text")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (call $log (i32.const 1) (i32.const 64) (i32.const 43)) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
