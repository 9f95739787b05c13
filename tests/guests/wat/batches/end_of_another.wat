;; Ends the batch of one group with the End of another.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin } of host a, a point, Response { end } of host b
  (data (i32.const 128) "\16\82\01\13\12\06host=a\1a\09\0a\04host\12\01a\11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?\18\92\01\15\12\06host=b\18\01\22\09\0a\04host\12\01b")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813954)) ;; (128 << 32) | 66
  (func (export "udf_finish") (result i64) (i64.const 0)))
