;; Rows whose numbers are of another type than declared.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32)
  (drop (call $rows (i32.const 1) (i32.const 4096)))
  (i32.store8 offset=8 (i32.const 3232) (i32.const 4))
  (i32.const 3072))
