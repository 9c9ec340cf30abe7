;; A description that clears the terminal of whoever lists jobs, and writes a line of its own.
(data (i32.const 4096) "\1b[2J\1b[H\nall jobs are well\07")
(func $describe (result i32)
  (i32.store (i32.const 1040) (i32.const 4096))
  (i32.store (i32.const 1044) (i32.const 26))
  (i32.const 1024))
