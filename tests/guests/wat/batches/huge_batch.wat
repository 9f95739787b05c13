;; Sends a batch of 100,000 empty points, for which Kapacitor would need many times the bytes.
(module
  (memory (export "memory") 8)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin }, Response { point }
  (data (i32.const 128) "\03\82\01\00\03\8a\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 450000))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (i32.store (i32.add (i32.const 132) (i32.mul (local.get $i) (i32.const 4))) (i32.load (i32.const 132)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 100000))))
    (i64.const 549756213892)) ;; (128 << 32) | 400004
  (func (export "udf_finish") (result i64) (i64.const 0)))
