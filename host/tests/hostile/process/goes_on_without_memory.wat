;; Takes all memory that it gets, writes to each page, keeps it, and does its work.
(global $at (mut i32) (i32.const 131072))
(func $process (param $batch i32) (result i32)
  (loop $more
    (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1)) (then
      (memory.fill (global.get $at) (i32.const 1) (i32.const 1048576))
      (global.set $at (i32.add (global.get $at) (i32.const 1048576)))
      (br $more))))
  (call $forward_all (local.get $batch)))
