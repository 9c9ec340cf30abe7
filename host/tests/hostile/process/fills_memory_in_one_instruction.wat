;; Fills its memory over and over, in instructions that take long each.
(func $process (param $batch i32) (result i32)
  (drop (memory.grow (i32.const 3000)))
  (loop $for_ever
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 196000000))
    (br $for_ever))
  (unreachable))
