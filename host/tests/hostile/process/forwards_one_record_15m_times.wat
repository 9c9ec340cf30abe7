;; Forwards one record 15,000,000 times.
(func $process (param $batch i32) (result i32) (call $forward (i32.const 0) (call $new (i32.const 60000000)) (i32.const 60000000)))
