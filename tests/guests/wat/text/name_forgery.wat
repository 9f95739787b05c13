;; Traps in a function whose name looks like a line of the log, with escapes of a terminal.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func $f (@name "x\0ats=2030-01-01T00:00:00.000Z lvl=error msg=forged \1b[31m\e2\80\ae\0d\07 end") (unreachable))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (call $f) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
