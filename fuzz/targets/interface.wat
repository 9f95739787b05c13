;; The guest interface, for modules that are made up to have it.
(module
  (memory (export "memory") 1)
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) unreachable)
  (func (export "udf_info") (result i64) unreachable)
  (func (export "udf_init") (param i32 i32) (result i64) unreachable)
  (func (export "udf_process") (param i32 i32) (result i64) unreachable)
  (func (export "udf_finish") (result i64) unreachable))
