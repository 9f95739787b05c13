;; Sends two batches that overlap: kapacitord reads through a null pointer.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin } of host a and of host b, Response { end } of both
  (data (i32.const 128) "\16\82\01\13\12\06host=a\1a\09\0a\04host\12\01a\16\82\01\13\12\06host=b\1a\09\0a\04host\12\01b\18\92\01\15\12\06host=a\18\01\22\09\0a\04host\12\01a\18\92\01\15\12\06host=b\18\01\22\09\0a\04host\12\01b")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813984)) ;; (128 << 32) | 96
  (func (export "udf_finish") (result i64) (i64.const 0)))
