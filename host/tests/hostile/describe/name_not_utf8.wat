;; A name that is not UTF-8.
(data (i32.const 4096) "job\ff\fe")
(func $describe (result i32)
  (i32.store (i32.const 1024) (i32.const 4096))
  (i32.store (i32.const 1028) (i32.const 5))
  (i32.const 1024))
