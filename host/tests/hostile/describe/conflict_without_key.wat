;; A table whose rows are updated on a conflict that no key decides.
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.store8 (i32.const 1180) (i32.const 2))
  (i32.const 1024))
