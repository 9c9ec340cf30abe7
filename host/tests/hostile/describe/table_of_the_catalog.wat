;; Rows for Postgres's own table of roles.
(data (i32.const 4096) "pg_catalog.pg_authid")
(func $describe (result i32)
  (i32.store (i32.const 1060) (i32.const 2))
  (i32.store (i32.const 1156) (i32.const 4096))
  (i32.store (i32.const 1160) (i32.const 20))
  (i32.const 1024))
