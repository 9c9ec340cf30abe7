;; Declares a column of numbers to be booleans.
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.store8 (i32.const 1192) (i32.const 0))
  (i32.const 1024))
