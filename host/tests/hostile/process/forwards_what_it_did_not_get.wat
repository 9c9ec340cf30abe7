;; Forwards a record that it was not given.
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4096) (i32.const 1000000))
  (call $forward (i32.const 0) (i32.const 4096) (i32.const 4)))
