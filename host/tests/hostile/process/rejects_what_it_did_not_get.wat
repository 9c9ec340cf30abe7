;; Rejects a record that it was not given.
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4096) (i32.const 4000000000))
  (i32.store offset=12 (i32.const 3072) (i32.const 4096))
  (i32.store offset=16 (i32.const 3072) (i32.const 1))
  (i32.const 3072))
