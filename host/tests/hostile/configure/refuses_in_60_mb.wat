;; Refuses its parameters for a reason of 60 MB.
(func $configure (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2052) (call $text (i32.const 60000000)))
  (i32.store (i32.const 2056) (i32.const 60000000))
  (i32.const 2048))
