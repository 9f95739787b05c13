;; Groups a point by tags that it does not have.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { dimensions: ["none", "nor", "none"], byName: true, fieldsDouble: { "x": 1 } } }
  (data (i32.const 128) "$\8a\01!2\04none2\03nor2\04noneX\01B\0c\0a\01x\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813925)) ;; (128 << 32) | 37
  (func (export "udf_finish") (result i64) (i64.const 0)))
