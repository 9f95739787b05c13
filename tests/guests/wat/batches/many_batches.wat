;; Sends 1,000 empty batches for each call.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin }, Response { end }, again and again
  (data (i32.const 128) "\03\82\01\00\03\92\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 16384))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      (memory.copy (i32.add (i32.const 136) (i32.mul (local.get $i) (i32.const 8))) (i32.const 128) (i32.const 8))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 999))))
    (i64.const 549755821888)) ;; (128 << 32) | 8000
  (func (export "udf_finish") (result i64) (i64.const 0)))
