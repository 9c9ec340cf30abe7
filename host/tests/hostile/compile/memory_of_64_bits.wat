;; A memory of 64-bit addresses.
(memory $other i64 1)
