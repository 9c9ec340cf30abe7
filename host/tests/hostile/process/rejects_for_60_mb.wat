;; Rejects a record for a reason of 60 MB.
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4100) (call $text (i32.const 60000000)))
  (i32.store (i32.const 4104) (i32.const 60000000))
  (i32.store offset=12 (i32.const 3072) (i32.const 4096))
  (i32.store offset=16 (i32.const 3072) (i32.const 1))
  (i32.const 3072))
