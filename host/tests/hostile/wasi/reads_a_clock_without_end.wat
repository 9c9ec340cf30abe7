;; Calls the host without end: each call is short, and none of them is the guest's own loop.
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
(func $process (param $batch i32) (result i32) (loop $for_ever (drop (call $now)) (br $for_ever)) (unreachable))
