;; Ends a batch that it did not begin: kapacitord reads through a null pointer.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { end }
  (data (i32.const 128) "\03\92\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813892)) ;; (128 << 32) | 4
  (func (export "udf_finish") (result i64) (i64.const 0)))
