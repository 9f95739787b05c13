;; Gives another input buffer each time, and grows its memory after it has given one.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (global $at (mut i32) (i32.const 4096))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (global.set $at (i32.add (global.get $at) (i32.const 4099))) (drop (memory.grow (i32.const 1))) (global.get $at))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (drop (memory.grow (i32.const 1))) (memory.fill (i32.const 256) (i32.const 0x5a) (i32.const 60000)) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
