;; Rejects one record 1,000,000 times, for a reason of 4,000 bytes that all of them share.
(func $after (param i32))
(global $made (mut i32) (i32.const 0))
(func $process (param $batch i32) (result i32)
  (local $i i32) (local $at i32) (local $reason i32)
  (if (i32.eqz (global.get $made)) (then
    (local.set $reason (call $text (i32.const 4000)))
    (global.set $made (call $new (i32.const 12000000)))
    (local.set $at (global.get $made))
    (loop $each
      (i32.store offset=4 (local.get $at) (local.get $reason))
      (i32.store offset=8 (local.get $at) (i32.const 4000))
      (local.set $at (i32.add (local.get $at) (i32.const 12)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $i) (i32.const 1000000))))))
  (i32.store offset=12 (i32.const 3072) (global.get $made))
  (i32.store offset=16 (i32.const 3072) (i32.const 1000000))
  (i32.const 3072))
