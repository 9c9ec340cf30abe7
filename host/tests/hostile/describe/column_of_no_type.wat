;; A column of a type that there is not.
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.store8 (i32.const 1192) (i32.const 99))
  (i32.const 1024))
