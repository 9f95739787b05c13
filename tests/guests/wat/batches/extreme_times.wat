;; Sends a batch with the earliest and the latest time of the protocol.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin }, points at both ends of int64, Response { end: { tmax: the least int64 } }
  (data (i32.const 128) "\03\82\01\00\1c\8a\01\19B\0c\0a\01x\11\00\00\00\00\00\00\f0?\08\80\80\80\80\80\80\80\80\80\01\1b\8a\01\18B\0c\0a\01x\11\00\00\00\00\00\00\f0?\08\ff\ff\ff\ff\ff\ff\ff\ff\7f\0e\92\01\0b\18\80\80\80\80\80\80\80\80\80\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813964)) ;; (128 << 32) | 76
  (func (export "udf_finish") (result i64) (i64.const 0)))
