;; Rows for a topic.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32)
  (drop (call $rows (i32.const 1) (i32.const 4096)))
  (i32.store offset=4 (i32.const 3104) (i32.const 0))
  (i32.const 3072))
