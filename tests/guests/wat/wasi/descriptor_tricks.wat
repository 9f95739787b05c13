;; Renumbers and closes its file descriptors, and then prints.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; an iovec and its text
  (data (i32.const 128) "\90\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00text\0a")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $fd i32)
    (drop (call $fd_renumber (i32.const 2) (i32.const 1)))
    (drop (call $fd_renumber (i32.const 1) (i32.const 2)))
    (drop (call $fd_renumber (i32.const 0) (i32.const 0x7fffffff)))
    (drop (call $fd_renumber (i32.const -1) (i32.const 0)))
    (drop (call $fd_write (i32.const 2) (i32.const 128) (i32.const 1) (i32.const 136)))
    (loop $next
      (drop (call $fd_close (local.get $fd)))
      (drop (call $fd_write (local.get $fd) (i32.const 128) (i32.const 1) (i32.const 136)))
      (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $fd) (i32.const 100))))
    (drop (call $fd_close (i32.const -1)))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
