;; Byte strings whose ends fall.
(data (i32.const 4160) "\04\00\00\00\01\00\00\00")
(func $process (param $batch i32) (result i32)
  (drop (call $messages (i32.const 2) (i32.const 4096)))
  (i32.store offset=48 (i32.const 3104) (i32.const 4160))
  (i32.store offset=60 (i32.const 3104) (i32.const 1))
  (i32.const 3072))
