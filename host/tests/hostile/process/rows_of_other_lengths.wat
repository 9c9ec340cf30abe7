;; Columns of one output that are not equally long.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32)
  (drop (call $rows (i32.const 2) (i32.const 4096)))
  (i32.store offset=16 (i32.const 3232) (i32.const 4))
  (i32.const 3072))
