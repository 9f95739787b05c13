;; Sends 1,000 signs of life.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { keepalive }, again and again
  (data (i32.const 128) "\02\1a\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (memory.copy (i32.add (i32.const 131) (i32.mul (local.get $i) (i32.const 3))) (i32.const 128) (i32.const 3))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 999))))
    (i64.const 549755816888)) ;; (128 << 32) | 3000
  (func (export "udf_finish") (result i64) (i64.const 0)))
