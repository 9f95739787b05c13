;; Has 1,000 options.
(module
  (memory (export "memory") 2)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { options: { "aaaa" } }
  (data (i32.const 64) "\1a\08\0a\04aaaa\12\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 65536))
  (func (export "udf_info") (result i64) (local $i i32) (local $at i32)
    (loop $next
      (local.set $at (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 10))))
      (memory.copy (local.get $at) (i32.const 64) (i32.const 10))
      (i32.store offset=4 (local.get $at) (i32.add (i32.const 0x61616161) (i32.or (i32.and (local.get $i) (i32.const 15)) (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4)) (i32.shl (i32.and (local.get $i) (i32.const 0xf00)) (i32.const 8))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
    (i64.const 4398046521104)) ;; (1024 << 32) | 10000
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
