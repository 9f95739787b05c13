;; Sends names and tags that look like further lines of what is written to InfluxDB.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { point } with "forged" after a line break in its name, its tag and its fields
  (data (i32.const 128) "\91\01\8a\01\8d\01\12\18m x=1\0aforged,by=name x=1:1\0a\17host\0aforged,by=key x=1\0a\12\16a\0aforged,by=value x=1\0aB \0a\15x=1\0aforged,by=field x\11\00\00\00\00\00\00\f0?R\1a\0a\01s\12\15\22\0aforged,by=text x=1\0a\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (i64.const 549755814035)) ;; (128 << 32) | 147
  (func (export "udf_finish") (result i64) (i64.const 0)))
