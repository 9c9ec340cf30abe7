;; Rejects a record for a reason that clears the terminal and goes from right to left.
(data (i32.const 4096) "\07\00\00\00\20\10\00\00\0c\00\00\00")
(data (i32.const 4128) "no\1b[2J\e2\80\aeyes")
(func $process (param $batch i32) (result i32)
  (i32.store (i32.const 4096) (i32.const 0))
  (i32.store offset=12 (i32.const 3072) (i32.const 4096))
  (i32.store offset=16 (i32.const 3072) (i32.const 1))
  (i32.const 3072))
