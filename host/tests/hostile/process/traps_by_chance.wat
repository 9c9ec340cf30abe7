;; Traps on a tenth of its calls, on whatever record they are.
(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
(func $process (param $batch i32) (result i32)
  (if (i64.eqz (i64.rem_u (call $random) (i64.const 10))) (then (unreachable)))
  (call $forward_all (local.get $batch)))
