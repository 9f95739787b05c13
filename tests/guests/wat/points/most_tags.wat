;; Sends a point with nearly as many tags as a point may have.
(module
  (memory (export "memory") 13)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  ;; the head of the frame, and an entry: tags: { "aaaa": "b" }
  (data (i32.const 128) "\fd\d1+\8a\01\f8\d1+")
  (data (i32.const 192) ":\09\0a\04aaaa\12\01b")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32) (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (memory.copy (local.get $at) (i32.const 192) (i32.const 11))
      ;; the key: four letters, other ones for each entry
      (i32.store offset=4 (local.get $at) (i32.add (i32.const 0x61616161) (i32.or (i32.or
        (i32.and (local.get $i) (i32.const 15))
        (i32.shl (i32.and (local.get $i) (i32.const 0xf0)) (i32.const 4)))
        (i32.or (i32.shl (i32.and (local.get $i) (i32.const 0xf00)) (i32.const 8))
        (i32.shl (i32.shr_u (local.get $i) (i32.const 12)) (i32.const 24))))))
      (local.set $at (i32.add (local.get $at) (i32.const 11)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 65000))))
    (memory.copy (i32.const 65528) (i32.const 128) (i32.const 8))
    (i64.const 281440617687296)) ;; (65528 << 32) | 715008
  (func (export "udf_finish") (result i64) (i64.const 0)))
