;; Opens /etc/passwd, and traps if it could.
(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the path
  (data (i32.const 64) "etc/passwd")
  (global $fd (mut i32) (i32.const 0))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (loop $next
    (if (i32.eqz (call $open (global.get $fd) (i32.const 0) (i32.const 64) (i32.const 10) (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 80))) (then (unreachable)))
    (global.set $fd (i32.add (global.get $fd) (i32.const 1)))
    (br_if $next (i32.lt_u (global.get $fd) (i32.const 100))))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
