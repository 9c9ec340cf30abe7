;; Writes lines to its log until its time is nearly over, and does its work.
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
(func $process (param $batch i32) (result i32)
  (local $end i64) (local $i i32)
  (local.set $end (i64.add (call $now) (i64.const 700000000)))
  (loop $more
    (local.set $i (i32.const 1000))
    (loop $thousand
      (call $log (i32.const 2) (i32.const 1280) (i32.const 10))
      (br_if $thousand (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (br_if $more (i64.lt_u (call $now) (local.get $end))))
  (call $forward_all (local.get $batch)))
