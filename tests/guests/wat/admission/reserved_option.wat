;; Has an option with the name of a word of TICKscript.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { options: { "lambda" } }
  (data (i32.const 64) "\1a\0a\0a\06lambda\12\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906956)) ;; (64 << 32) | 12
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
