;; A sink that is neither a topic nor a table nor a statement.
(func $describe (result i32)
  (i32.store8 (i32.const 1112) (i32.const 9))
  (i32.const 1024))
