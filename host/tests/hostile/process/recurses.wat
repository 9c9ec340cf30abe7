;; Calls itself until the stack is full.
(func $process (param $batch i32) (result i32) (call $process (local.get $batch)))
