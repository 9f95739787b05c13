;; Counts its calls in a global that it does not export, and says the number in an error on the third.
(module
  (memory (export "memory") 1)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; Response { error: { error: "third call" } }
  (data (i32.const 128) "\0e\32\0c\0a\0a\74\68\69\72\64\20\63\61\6c\6c")
  (global $calls (mut i32) (i32.const 0))
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (result i64) (i32.eq (global.get $calls) (i32.const 3)) (then (i64.const 549755813903)) (else (i64.const 0)))) ;; (128 << 32) | 15
  (func (export "udf_finish") (result i64) (i64.const 0)))
