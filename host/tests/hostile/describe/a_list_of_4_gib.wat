;; A list of sinks whose length in bytes overflows 32 bits.
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 0x7fffffff))
  (i32.const 1024))
