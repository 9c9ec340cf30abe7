;; Refuses its parameters for a reason that clears the terminal and goes from right to left.
(data (i32.const 4096) "no\1b[2J\e2\80\aeyes")
(func $configure (param i32 i32) (result i32)
  (i32.store8 (i32.const 2048) (i32.const 1))
  (i32.store (i32.const 2052) (i32.const 4096))
  (i32.store (i32.const 2056) (i32.const 12))
  (i32.const 2048))
