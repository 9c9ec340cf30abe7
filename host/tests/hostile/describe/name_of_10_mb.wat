;; A name of 10 MB: the refusal would quote it.
(func $describe (result i32)
  (i32.store (i32.const 1024) (call $text (i32.const 10000000)))
  (i32.store (i32.const 1028) (i32.const 10000000))
  (i32.const 1024))
