;; An answer whose keys, values and origins are the same bytes.
(data (i32.const 4096) "\00\00\00\00")
(func $process (param $batch i32) (result i32)
  (drop (call $messages (i32.const 1) (i32.const 4096)))
  (i32.store offset=20 (i32.const 3104) (i32.const 0))
  (i32.const 3072))
