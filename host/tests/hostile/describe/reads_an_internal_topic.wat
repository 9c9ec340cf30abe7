;; Reads what the groups of all others commit.
(data (i32.const 4096) "__consumer_offsets")
(func $describe (result i32)
  (i32.store (i32.const 1088) (i32.const 4096))
  (i32.store (i32.const 1092) (i32.const 18))
  (i32.const 1024))
