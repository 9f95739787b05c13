;; Logs a megabyte for each call.
(module
  (import "kapacitor" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (global $n (mut i32) (i32.const 0))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (loop $more
    (call $log (i32.const 1) (i32.const 8192) (i32.const 1024))
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (br_if $more (i32.rem_u (global.get $n) (i32.const 1024))))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
