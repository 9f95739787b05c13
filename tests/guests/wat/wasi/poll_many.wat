;; Waits for 13,000 clocks at once, each of which costs the host many times the memory that it costs the guest.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 12)
  ;; InitResponse { success: true }
  (data (i32.const 0) "\08\01")
  (func (export "kapacitor_udf_abi_1"))
  (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
  (func (export "udf_info") (result i64) (i64.const 0))
  (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
  (func (export "udf_process") (param i32 i32) (result i64) (local $i i32)
    (loop $next
      ;; a subscription to the monotonic clock, an hour from now
      (i32.store offset=65552 (i32.mul (local.get $i) (i32.const 48)) (i32.const 1))
      (i64.store offset=65560 (i32.mul (local.get $i) (i32.const 48)) (i64.const 3600000000000)) ;; An hour in nanoseconds
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 13000))))
    (drop (call $poll_oneoff (i32.const 65536) (i32.const 65536) (i32.const 13000) (i32.const 64)))
    (i64.const 0))
  (func (export "udf_finish") (result i64) (i64.const 0)))
