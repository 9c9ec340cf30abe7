;; Answers with an error that is not UTF-8.
(data (i32.const 4096) "\ff\fe\fd")
(func $process (param $batch i32) (result i32)
  (i32.store8 (i32.const 3072) (i32.const 1))
  (i32.store offset=4 (i32.const 3072) (i32.const 4096))
  (i32.store offset=8 (i32.const 3072) (i32.const 3))
  (i32.const 3072))
