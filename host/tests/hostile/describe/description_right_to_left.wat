;; A description with a right-to-left override, which shows text in another order than it has.
(data (i32.const 4096) "harmless \e2\80\ae\e2\81\a6 lmth.exe")
(func $describe (result i32)
  (i32.store (i32.const 1040) (i32.const 4096))
  (i32.store (i32.const 1044) (i32.const 24))
  (i32.const 1024))
