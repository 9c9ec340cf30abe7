;; A statement that is no INSERT, UPDATE or DELETE.
(data (i32.const 4096) "DROP TABLE hostile_rows")
(func $describe (result i32)
  (i32.store8 (i32.const 1112) (i32.const 2))
  (i32.store (i32.const 1116) (i32.const 4096))
  (i32.store (i32.const 1120) (i32.const 23))
  (i32.store (i32.const 1124) (i32.const 0))
  (i32.store (i32.const 1128) (i32.const 0))
  (i32.const 1024))
