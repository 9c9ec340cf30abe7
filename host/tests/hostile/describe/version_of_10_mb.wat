;; A version of 10 MB.
(func $describe (result i32)
  (i32.store (i32.const 1032) (call $text (i32.const 10000000)))
  (i32.store (i32.const 1036) (i32.const 10000000))
  (i32.const 1024))
