;; Asks for handles, a million of them, and gives none back.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $alarm (param i64) (result i32)))
(func $process (param $batch i32) (result i32)
  (local $i i32)
  (loop $each
    (drop (call $alarm (i64.const 1)))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))
  (call $forward_all (local.get $batch)))
