;; Prints bytes that Kapacitor would take for a huge frame, and returns nothing.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; an iovec, and its text
  (data (i32.const 64) "\50\00\00\00\25\00\00\00")
  ;; the text
  (data (i32.const 80) "\ff\ff\ff\ff\ff\7f\20\74\68\69\73\20\6d\75\73\74\20\6e\6f\74\20\72\65\61\63\68\20\4b\61\70\61\63\69\74\6f\72\0a")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72))) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
