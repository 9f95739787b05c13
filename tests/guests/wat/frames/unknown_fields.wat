;; Sends fields of a point that nobody knows, which Kapacitor skips.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": 1 }, 99: 7, 100: "text", 101: 4 bytes } }
  (data (i32.const 128) "!\8a\01\1eB\0c\0a\01x\11\00\00\00\00\00\00\f0?\98\06\07\a2\06\04text\ad\061234")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813922)) ;; (128 << 32) | 34
  (func (export "udf_finish") (result i64) (i64.const 0)))
