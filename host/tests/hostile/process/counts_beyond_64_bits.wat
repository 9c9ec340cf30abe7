;; Counts further than 64 bits go, and sets gauges to what is no number.
(data (i32.const 4096) "figure")
(func $process (param $batch i32) (result i32)
  (call $count (i32.const 4096) (i32.const 6) (i64.const -1))
  (call $count (i32.const 4096) (i32.const 6) (i64.const -1))
  (call $gauge (i32.const 4096) (i32.const 6) (f64.const nan:0x123))
  (call $gauge (i32.const 4096) (i32.const 6) (f64.const -inf))
  (call $forward_all (local.get $batch)))
