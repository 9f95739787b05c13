;; Sends names and tags with a zero byte and with escapes of a terminal.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point } with zero bytes and escapes in its name, its tag and its field
  (data (i32.const 128) ".\8a\01+\12\07m\00\1b[31m:\13\0a\05host\00\12\0a\1b]0;title\07R\0b\0a\02x\00\12\05\00\1b[2J")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813935)) ;; (128 << 32) | 47
  (func (export "udf_finish") (result i64) (i64.const 0)))
