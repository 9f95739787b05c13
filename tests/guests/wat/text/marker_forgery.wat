;; Is made for a guest interface whose version looks like a line of the log.
(module
  (memory (export "memory") 1)
  (func (export "kapacitor_udf_abi_x\0ats=2030-01-01T00:00:00.000Z lvl=error msg=forged \1b[31m\e2\80\ae\0d\07 end")))
