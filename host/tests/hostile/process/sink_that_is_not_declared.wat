;; Forwards to a sink that it does not have.
(func $process (param $batch i32) (result i32) (call $forward (i32.const 99) (i32.const 4096) (i32.const 4)))
