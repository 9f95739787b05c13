;; Prints half a megabyte without a line break, again and again, and more than the host takes at once.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 120)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; two iovecs
  (data (i32.const 128) "\00\10\00\00 \a1\07\00\00\10\00\00\00\00p\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 160)))
      (drop (call $fd_write (i32.const 2) (i32.const 136) (i32.const 1) (i32.const 160)))
      (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const -1) (i32.const 160)))
      (drop (call $fd_write (i32.const 1) (i32.const 1048576) (i32.const 100000) (i32.const 160)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 10))))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
