;; A statement of 10 MB.
(func $describe (result i32)
  (i32.store8 (i32.const 1112) (i32.const 2))
  (i32.store (i32.const 1116) (call $text (i32.const 10000000)))
  (i32.store (i32.const 1120) (i32.const 10000000))
  (i32.store (i32.const 1124) (i32.const 0))
  (i32.store (i32.const 1128) (i32.const 0))
  (i32.const 1024))
