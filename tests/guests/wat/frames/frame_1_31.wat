;; Returns a frame header of 1 << 31: Kapacitor would take all that follows for its body.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; varint 1 << 31, Response { point: { fieldsDouble: { "x": 1 } } }
  (data (i32.const 128) "\80\80\80\80\08\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813911)) ;; (128 << 32) | 23
  (func (export "udf_finish") (result i64) (i64.const 0)))
