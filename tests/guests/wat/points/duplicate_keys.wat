;; Sends each tag and each field twice.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { tags: { "host": "a", "host": "b" }, fieldsDouble: { "x": 1, "x": 2 } } }
  (data (i32.const 128) "5\8a\012:\09\0a\04host\12\01a:\09\0a\04host\12\01bB\0c\0a\01x\11\00\00\00\00\00\00\f0?B\0c\0a\01x\11\00\00\00\00\00\00\00@")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813942)) ;; (128 << 32) | 54
  (func (export "udf_finish") (result i64) (i64.const 0)))
