;; Wants to share its memory with threads.
(module
  (memory (export "memory") 1 1 shared)
  (func (export "kapacitor_udf_abi_1")))
