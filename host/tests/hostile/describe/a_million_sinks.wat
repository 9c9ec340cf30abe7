;; A million sinks, each of them a copy of the first.
(func $describe (result i32)
  (local $at i32) (local $i i32)
  (local.set $at (call $new (i32.const 40000000)))
  (loop $each
    (memory.copy
      (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 40))) (i32.const 1104) (i32.const 40))
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))
  (i32.store (i32.const 1056) (local.get $at))
  (i32.store (i32.const 1060) (i32.const 1000000))
  (i32.const 1024))
