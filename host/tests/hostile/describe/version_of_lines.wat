;; A version that writes lines of its own into tables and logs.
(data (i32.const 4096) "1.0\n2026-01-01 ERROR the host is lost")
(func $describe (result i32)
  (i32.store (i32.const 1032) (i32.const 4096))
  (i32.store (i32.const 1036) (i32.const 37))
  (i32.const 1024))
