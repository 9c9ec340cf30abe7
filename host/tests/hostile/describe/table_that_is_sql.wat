;; A table's name that ends its statement and begins another.
(data (i32.const 4096) "hostile_rows; DROP TABLE hostile_rows; --")
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.store (i32.const 1156) (i32.const 4096))
  (i32.store (i32.const 1160) (i32.const 41))
  (i32.const 1024))
