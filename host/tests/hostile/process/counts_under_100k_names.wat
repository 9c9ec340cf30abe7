;; Counts under 100,000 names.
(func $process (param $batch i32) (result i32)
  (local $i i32) (local $at i32) (local $left i32)
  (loop $each
    (local.set $left (local.get $i))
    (local.set $at (i32.const 4096))
    (loop $digits
      (i32.store8 (local.get $at) (i32.add (i32.const 97) (i32.rem_u (local.get $left) (i32.const 26))))
      (local.set $left (i32.div_u (local.get $left) (i32.const 26)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $digits (i32.lt_u (local.get $at) (i32.const 4104))))
    (call $count (i32.const 4096) (i32.const 8) (i64.const 1))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $each (i32.lt_u (local.get $i) (i32.const 100000))))
  (call $forward_all (local.get $batch)))
