;; Sends the answer to a fence that nobody asked for: kapacitord would panic, as it does not know the message.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { fence: { id: 1 } }
  (data (i32.const 128) "\05\c2\3e\02\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813894)) ;; (128 << 32) | 6
  (func (export "udf_finish") (result i64) (i64.const 0)))
