;; Begins a batch of 1 << 33 points: kapacitord runs out of memory. The guard writes the true size.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; InfoResponse { wants: BATCH, provides: BATCH }
  (data (i32.const 64) "\08\01\10\01")
  ;; Response { begin: { size: 1 << 33 } }, Response { point: { fieldsDouble: { "x": 1 } } }, Response { end }
  (data (i32.const 128) "\09\82\01\06 \80\80\80\80 \11\8a\01\0eB\0c\0a\01x\11\00\00\00\00\00\00\f0?\03\92\01\00")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 274877906948)) ;; (64 << 32) | 4
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755813920)) ;; (128 << 32) | 32
  (func (export "udf_finish") (result i64) (i64.const 0)))
