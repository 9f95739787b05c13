;; Has an option that no TICKscript can call.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { options: { "no-name": {} } }
  (data (i32.const 64) "\1a\0b\0a\07\6e\6f\2d\6e\61\6d\65\12\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906957)) ;; (64 << 32) | 13
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
