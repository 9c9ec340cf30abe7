;; Indices whose end is beyond its memory.
(func $process (param $batch i32) (result i32) (call $forward (i32.const 0) (i32.const 131068) (i32.const 8)))
