;; Traps on one record of many.
(func $process (param $batch i32) (result i32)
  (if (call $has (local.get $batch) (i64.const 7)) (then (unreachable)))
  (call $forward_all (local.get $batch)))
