;; Says that its declaration lies beyond its memory.
(func $describe (result i32) (i32.const 0x7ffffff0))
