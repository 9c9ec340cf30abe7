;; Polls a list of 16 million handles.
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
(func $process (param $batch i32) (result i32)
  (call $poll (call $new (i32.const 64000000)) (i32.const 16000000) (i32.const 4096))
  (call $forward_all (local.get $batch)))
