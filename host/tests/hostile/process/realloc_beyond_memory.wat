;; Has the records put beyond its memory.
(func $realloc (param i32 i32 i32 i32) (result i32) (i32.const -64))
