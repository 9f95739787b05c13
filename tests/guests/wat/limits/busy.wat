;; Computes for many ticks in each call, and then passes its points on.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func $compute (local $i i32)
    (local.set $i (i32.const 60000000))
    (loop $again (br_if $again (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param $at i32) (param $length i32) (result i64)
    (call $compute)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $length))))
  (func (export "udf_finish") (result i64) (i64.const 0)))
