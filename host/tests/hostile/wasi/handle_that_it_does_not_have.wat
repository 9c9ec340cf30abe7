;; Uses a handle that it was never given.
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(func $process (param $batch i32) (result i32) (call $block (i32.const 7)) (call $forward_all (local.get $batch)))
