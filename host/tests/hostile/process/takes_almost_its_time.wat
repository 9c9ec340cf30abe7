;; Takes more than half of the time that it has, in every call.
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
(func $process (param $batch i32) (result i32)
  (local $end i64)
  (local.set $end (i64.add (call $now) (i64.const 600000000)))
  (loop $wait (br_if $wait (i64.lt_u (call $now) (local.get $end))))
  (call $forward_all (local.get $batch)))
