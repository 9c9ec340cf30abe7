;; Reads its own dead letters: one of them becomes the next, without end.
(data (i32.const 4096) "describe_reads_its_own_letters.dlq")
(func $describe (result i32)
  (i32.store (i32.const 1088) (i32.const 4096))
  (i32.store (i32.const 1092) (i32.const 34))
  (i32.const 1024))
