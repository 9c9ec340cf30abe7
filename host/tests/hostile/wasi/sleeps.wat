;; Sleeps for an hour.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $alarm (param i64) (result i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
(func $process (param $batch i32) (result i32)
  (call $block (call $alarm (i64.const 3600000000000)))
  (call $forward_all (local.get $batch)))
