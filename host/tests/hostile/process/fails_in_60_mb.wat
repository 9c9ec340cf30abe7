;; Answers with an error of 60 MB.
(func $process (param $batch i32) (result i32)
  (i32.store8 (i32.const 3072) (i32.const 1))
  (i32.store offset=4 (i32.const 3072) (call $text (i32.const 60000000)))
  (i32.store offset=8 (i32.const 3072) (i32.const 60000000))
  (i32.const 3072))
