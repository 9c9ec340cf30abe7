;; Rejects one record 1,000,000 times, for no reason.
(func $process (param $batch i32) (result i32)
  (i32.store offset=12 (i32.const 3072) (call $new (i32.const 12000000)))
  (i32.store offset=16 (i32.const 3072) (i32.const 1000000))
  (i32.const 3072))
