;; Sends 10,000 points for each call.
(module
  (memory (export "memory") 4)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point: { fieldsDouble: { "x": 1 } } }
  (data (i32.const 8192) "\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (memory.copy (i32.add (i32.const 8210) (i32.mul (local.get $i) (i32.const 18))) (i32.const 8192) (i32.const 18))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 9999))))
    (i64.const 35184372268832)) ;; (8192 << 32) | 180000
  (func (export "udf_finish") (result i64) (i64.const 0)))
