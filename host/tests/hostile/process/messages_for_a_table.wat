;; Messages for a table.
(data (i32.const 1060) "\02")
(func $process (param $batch i32) (result i32)
  (drop (call $messages (i32.const 1) (i32.const 4096)))
  (i32.store offset=4 (i32.const 3104) (i32.const 1))
  (i32.const 3072))
