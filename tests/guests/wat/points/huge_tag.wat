;; Sends a point with a tag of a megabyte.
(module
  (memory (export "memory") 18)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; all of a point but its last tag, which is `a` again and again
  (data (i32.const 128) "\fd\ff?\8a\01\f8\ff?B\0c\0a\01x\11\00\00\00\00\00\00\f0?:\e6\ff?\0a\04host\12\dc\ff?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 1049728))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (memory.fill (i32.const 164) (i32.const 97) (i32.const 1048540))
    (i64.const 549756862464)) ;; (128 << 32) | 1048576
  (func (export "udf_finish") (result i64) (i64.const 0)))
