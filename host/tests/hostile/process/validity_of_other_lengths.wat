;; A validity bitmap that is shorter than its column.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32)
  (drop (call $rows (i32.const 9) (i32.const 4096)))
  (i32.store (i32.const 3264) (i32.const 1))
  (i32.const 3072))
